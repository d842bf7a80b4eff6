//! Figures of merit: of sounds, of sets of sounds, of rankings.

pub mod agreement;
pub mod cepstral;
pub mod divergence;
pub mod estimators;
pub mod frechet;
pub mod griffin_lim;
pub mod key;
pub mod rank;
pub mod rouge;
pub mod spectral;
pub mod summary;
