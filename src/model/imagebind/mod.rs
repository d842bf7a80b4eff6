//! ImageBind (`imagebind_huge`): one embedding space for pictures, sound and text.
//!
//! Girdhar et al., "ImageBind: One Embedding Space To Bind Them All", CVPR 2023. Parameter names are
//! those of the published `imagebind_huge.pth`.

mod audio;
mod block;
mod sound;
mod text;
mod vision;

pub use audio::{AudioConfig, AudioFeatures, AudioTrunk};
pub use sound::{AudioInput, SoundInput};
pub use text::{TextConfig, TextTrunk};
pub use vision::{VisionConfig, VisionTrunk};
