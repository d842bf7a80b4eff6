//! PyTorch files (`.pt`, `.pth`, `.bin`, `.ckpt`): a pickled state dict and its storages, in a zip archive, or one
//! behind the other as PyTorch wrote them before 1.6.
//!
//! Strides and offsets are honoured: tensors may be transposed, expanded or parts of a larger storage.

mod pickle;
mod state;

use memmap2::Mmap;
use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::{Cursor, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use self::{
    pickle::{Heap, Node, TensorView, Value, natural},
    state::Refusal,
};
use super::{TensorFile, element::Element};
use crate::{Error, Result};

/// What files of before PyTorch 1.6 begin with: the number 0x1950a86a20f9469cfc6c as a pickle.
const LEGACY_MAGIC: [u8; 15] = [
    0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
];

/// An opened file. Elements are read only when asked for.
pub(super) struct TorchFile {
    map: Shared,
    path: PathBuf,
    container: Container,
    tensors: HashMap<String, (Storage, TensorView)>,
}

/// A mapped file with several readers.
#[derive(Clone)]
struct Shared(Arc<Mmap>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

type Archive = zip::ZipArchive<Cursor<Shared>>;

/// Where storages lie.
enum Container {
    /// Files of an archive, in the folder `prefix` there.
    Zip {
        archive: Archive,
        prefix: String,
        big_endian: bool,
    },
    /// Begin and length in bytes, by the storage's key.
    Legacy(HashMap<String, (usize, usize)>),
}

/// A storage as its persistent id tells it.
#[derive(Debug, Clone)]
struct Storage {
    /// The class, as `torch.FloatStorage`.
    class: String,
    key: String,
    elements: usize,
}

impl TorchFile {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::file("open", path, e))?;
        // SAFETY: the map is only read. If another program shortens the file meanwhile the system
        // stops this one, as it would for any mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::file("map", path, e))?;
        let map = Shared(Arc::new(map));
        let bytes = map.as_ref();
        let (container, heap, root) = if bytes.starts_with(b"PK") {
            open_zip(&map, path)?
        } else if bytes.starts_with(&LEGACY_MAGIC) {
            open_legacy(bytes).map_err(|why| unreadable(path, &why))?
        } else {
            return Err(no_checkpoint(bytes, path));
        };
        let found = state::find(&heap, root).map_err(|Refusal { what, hint }| {
            Error::format(format!("{} {what}", path.display()), hint)
        })?;
        if let Some(wrapper) = &found.wrapper {
            eprintln!(
                "{} is a training checkpoint: its {wrapper} is read.",
                path.display()
            );
        }
        if found.tensors.is_empty() {
            return Err(unreadable(path, "it holds no tensors"));
        }
        let mut tensors = HashMap::new();
        for (name, view) in found.tensors {
            let storage = storage(&heap, view.storage).map_err(|why| unreadable(path, &why))?;
            let fits = match view_of_bytes(&storage) {
                true => elements(&view).is_some(),
                false => lies_in(&view, storage.elements),
            };
            if !fits {
                let why = format!("{name} reaches beyond its storage");
                return Err(unreadable(path, &why));
            }
            tensors.insert(name, (storage, view));
        }
        Ok(Self {
            map,
            path: path.to_path_buf(),
            container,
            tensors,
        })
    }

    /// The bytes of a storage.
    fn bytes(&self, storage: &Storage) -> std::result::Result<Cow<'_, [u8]>, String> {
        match &self.container {
            Container::Zip {
                archive, prefix, ..
            } => {
                let name = format!("{prefix}data/{}", storage.key);
                entry(archive, self.map.as_ref(), &name)
                    .map_err(|why| format!("storage {}: {why}", storage.key))
            }
            Container::Legacy(places) => places
                .get(&storage.key)
                .and_then(|&(start, length)| {
                    self.map.as_ref().get(start..start.checked_add(length)?)
                })
                .map(Cow::Borrowed)
                .ok_or_else(|| format!("storage {} is missing or cut off", storage.key)),
        }
    }
}

impl TensorFile for TorchFile {
    fn shapes(&self) -> HashMap<String, Vec<usize>> {
        let shapes = self.tensors.iter();
        shapes
            .map(|(name, (_, view))| (name.clone(), view.shape.clone()))
            .collect()
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        let unread = |why: String| unreadable(&self.path, &why);
        let (storage, view) = self
            .tensors
            .get(name)
            .ok_or_else(|| unread(format!("it has no tensor {name}")))?;
        let class = view.dtype.as_deref().unwrap_or(&storage.class);
        let Some(element) = Element::of_torch(class) else {
            return Err(super::element::unsupported(name, &self.path, class));
        };
        let bytes = self.bytes(storage).map_err(unread)?;
        let size = element.size();
        if !lies_in(view, bytes.len() / size) {
            return Err(unread(format!("{name} is cut off")));
        }
        let swapped = matches!(
            self.container,
            Container::Zip {
                big_endian: true,
                ..
            }
        );
        let at = |index: usize| {
            let bytes = &bytes[index * size..(index + 1) * size];
            if swapped {
                let mut bytes = bytes.to_vec();
                bytes.reverse();
                element.value(&bytes)
            } else {
                element.value(bytes)
            }
        };
        let sign = if view.negative { -1.0 } else { 1.0 };
        Ok(indices(view).map(|index| sign * at(index)).collect())
    }
}

/// Elements that an expanded view may have beyond those of its storage: a small file must not fill the memory.
const MAX_EXPANDED: usize = 1 << 24;

/// How many elements a tensor has, unless no machine could count them: dimensions of zero do not hide the others, for
/// what is computed with a shape takes them one by one.
fn elements(view: &TensorView) -> Option<usize> {
    let mut sizes = view.shape.iter().filter(|&&size| size > 0);
    let count = sizes.try_fold(1_usize, |count, &size| count.checked_mul(size))?;
    Some(if view.shape.contains(&0) { 0 } else { count })
}

/// Whether all elements lie in a storage of `room` elements.
fn lies_in(view: &TensorView, room: usize) -> bool {
    let count = match elements(view) {
        None => return false,
        Some(0) => return true,
        Some(count) => count,
    };
    let mut last = Some(view.offset);
    for (&size, &stride) in view.shape.iter().zip(&view.stride) {
        last = last.and_then(|last| last.checked_add((size - 1).checked_mul(stride)?));
    }
    count <= room.max(MAX_EXPANDED) && last.is_some_and(|last| last < room)
}

/// Newer files may count a storage in bytes and say the element type with the tensor.
fn view_of_bytes(storage: &Storage) -> bool {
    storage.class.ends_with("UntypedStorage")
}

/// Where the elements lie, in the order of the last dimension first.
fn indices(view: &TensorView) -> impl Iterator<Item = usize> {
    let count: usize = view.shape.iter().product();
    let mut index = vec![0; view.shape.len()];
    let mut at = view.offset;
    (0..count).map(move |_| {
        let here = at;
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            at += view.stride[axis];
            if index[axis] < view.shape[axis] {
                break;
            }
            at -= view.stride[axis] * view.shape[axis];
            index[axis] = 0;
        }
        here
    })
}

/// The persistent id `("storage", class, key, device, elements)`.
fn storage(heap: &Heap, id: Value) -> std::result::Result<Storage, String> {
    let class = |value: Value| match heap.node(value) {
        Some(Node::Global(name) | Node::Text(name)) => Some(name.clone()),
        _ => None,
    };
    let read = || {
        let [kind, of, key, _, elements, rest @ ..] = heap.tuple(id)? else {
            return None;
        };
        // A storage that is a part of another one, as PyTorch wrote before 0.4.
        let whole = rest.iter().all(|&value| value == Value::None);
        (whole && heap.text(*kind) == Some("storage")).then_some(Storage {
            class: class(*of)?,
            key: heap.text(*key)?.to_string(),
            elements: natural(*elements)?,
        })
    };
    read().ok_or_else(|| "a storage is described in an unknown way".into())
}

fn open_zip(map: &Shared, path: &Path) -> Result<(Container, Heap, Value)> {
    let archive = match zip::ZipArchive::new(Cursor::new(map.clone())) {
        Ok(archive) => archive,
        Err(_) => {
            return Err(Error::integrity(
                format!(
                    "{} is cut off: the end of its archive is missing",
                    path.display()
                ),
                "finish the download, or get the file again",
            ));
        }
    };
    let pickled = archive
        .file_names()
        .find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let Some(pickled) = pickled.map(str::to_string) else {
        return Err(Error::format(
            format!(
                "{} is a zip archive, but no checkpoint of PyTorch",
                path.display()
            ),
            "unpack it, or give the .pt, .pth, .bin or .safetensors file",
        ));
    };
    let prefix = pickled.trim_end_matches("data.pkl").to_string();
    let unread = |why: String| unreadable(path, &why);
    let bytes = entry(&archive, map.as_ref(), &pickled).map_err(unread)?;
    let (heap, root, _) = pickle::read(&bytes).map_err(unread)?;
    let order = entry(&archive, map.as_ref(), &format!("{prefix}byteorder"));
    let big_endian = order.is_ok_and(|order| order.trim_ascii() == b"big");
    let container = Container::Zip {
        archive,
        prefix,
        big_endian,
    };
    Ok((container, heap, root))
}

/// A file of the archive; as it lies there where it is not compressed.
fn entry<'a>(
    archive: &Archive,
    map: &'a [u8],
    name: &str,
) -> std::result::Result<Cow<'a, [u8]>, String> {
    // Cheap: the archive's directory is shared.
    let mut archive = archive.clone();
    let mut file = archive.by_name(name).map_err(|e| e.to_string())?;
    let stored = file.compression() == zip::CompressionMethod::Stored;
    if let Some(start) = file.data_start().filter(|_| stored) {
        let start = usize::try_from(start).ok();
        let length = usize::try_from(file.size()).ok();
        let bytes = start.and_then(|start| map.get(start..start.checked_add(length?)?));
        return bytes
            .map(Cow::Borrowed)
            .ok_or_else(|| "it is cut off".into());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok(Cow::Owned(bytes))
}

/// Magic number, protocol, the writer's system, the object, the keys of its storages, and these behind their lengths.
fn open_legacy(map: &[u8]) -> std::result::Result<(Container, Heap, Value), String> {
    let mut at = LEGACY_MAGIC.len();
    let mut next = || {
        let read = pickle::read(map.get(at..).unwrap_or_default())?;
        at += read.2;
        Ok::<_, String>(read)
    };
    next()?;
    let (system, facts, _) = next()?;
    let little = system.dict(facts).unwrap_or_default().iter();
    let mut little = little.filter(|(key, _)| system.text(*key) == Some("little_endian"));
    if little.any(|(_, value)| *value == Value::Bool(false)) {
        return Err("it was written on a big-endian machine before PyTorch 1.6".into());
    }
    let (heap, root, _) = next()?;
    let (keys, list, _) = next()?;
    let mut sizes = HashMap::new();
    for node in heap.nodes() {
        if let Node::Persistent(id) = node {
            let Storage { class, key, .. } = storage(&heap, *id)?;
            let size = Element::size_of_torch(&class);
            sizes.insert(
                key,
                size.ok_or_else(|| format!("it holds elements of {class}"))?,
            );
        }
    }
    let mut places = HashMap::new();
    for &key in keys.tuple(list).unwrap_or_default() {
        let key = keys.text(key).ok_or("a storage has no name")?;
        let size = sizes.get(key).ok_or("a storage belongs to no tensor")?;
        let count = map.get(at..).and_then(|rest| rest.first_chunk());
        let count = count.ok_or("it is cut off: get it again")?;
        let bytes = usize::try_from(u64::from_le_bytes(*count)).ok();
        let bytes = bytes.and_then(|count| count.checked_mul(*size));
        let bytes = bytes.ok_or("a storage's length is damaged")?;
        places.insert(key.to_string(), (at + count.len(), bytes));
        at = (at + count.len()).saturating_add(bytes);
    }
    Ok((Container::Legacy(places), heap, root))
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::format(
        format!("{} cannot be read as a checkpoint ({why})", path.display()),
        "give a safetensors file or a PyTorch state dict, and get it again if it is damaged",
    )
}

/// Says what a file is that is no checkpoint.
fn no_checkpoint(bytes: &[u8], path: &Path) -> Error {
    if let Some(error) = super::placeholder(bytes, path) {
        return error;
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Error::unsupported(
            format!("{} was written by PyTorch before 0.1.10", path.display()),
            "load it and save its state_dict() with a newer PyTorch",
        );
    }
    if bytes.first() == Some(&0x80) {
        return unreadable(path, "it is a bare pickle without storages");
    }
    unreadable(
        path,
        "it is neither a zip archive nor a file of an older PyTorch",
    )
}
