//! Finds the state dict in what a PyTorch file holds.

use super::pickle::{Heap, Node, TensorView, Value};

/// What training scripts call the state dict that they save beside other things, the best first.
const WRAPPERS: [&str; 11] = [
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "params_ema",
    "params",
    "ema",
    "generator",
];

/// Dicts inside dicts; more are no state dict. A dict may also hold itself.
const MAX_DEPTH: usize = 64;

/// [`WRAPPERS`] inside each other.
const MAX_WRAPPERS: usize = 8;

/// Entries that are looked at. A small file can hold one dict in very many places.
const MAX_ENTRIES: usize = 1 << 20;

/// Letters that a tensor's name may have.
const MAX_NAME: usize = 1024;

/// Why there is no state dict: what the file is, and what to do about it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub what: String,
    pub hint: String,
}

/// The tensors of a state dict.
#[derive(Debug, Default)]
pub(super) struct StateDict {
    /// Names and tensors; names of dicts inside dicts are joined by dots.
    pub tensors: Vec<(String, TensorView)>,
    /// The key under which a training checkpoint holds it.
    pub wrapper: Option<String>,
}

/// The state dict that `root` is or holds.
pub(super) fn find(heap: &Heap, root: Value) -> Result<StateDict, Refusal> {
    Search { heap, entries: 0 }.find(root, 0)
}

/// A search through the values of a pickle.
struct Search<'a> {
    heap: &'a Heap,
    /// How many entries of dicts have been looked at.
    entries: usize,
}

impl<'a> Search<'a> {
    fn find(&mut self, root: Value, depth: usize) -> Result<StateDict, Refusal> {
        let heap = self.heap;
        if let Some(Node::Object { class, .. }) = heap.node(root) {
            return Err(whole_module(class));
        }
        let entries = self.entries_of(root)?.ok_or_else(|| Refusal {
            what: "holds no dict of tensors".into(),
            hint: "save a module's state_dict() in Python".into(),
        })?;
        let mut found = StateDict::default();
        let direct = entries
            .iter()
            .any(|&(_, value)| matches!(heap.node(value), Some(Node::Tensor(_))));
        if direct {
            self.collect(root, "", 0, &mut found.tensors)?;
            return Ok(found);
        }
        let named = |wanted: &str| {
            let mut named = entries
                .iter()
                .filter(|&&(key, _)| heap.text(key) == Some(wanted));
            // As in Python, the last one counts.
            named.next_back().map(|&(_, value)| value)
        };
        for wrapper in WRAPPERS {
            let Some(value) = named(wrapper).filter(|_| depth < MAX_WRAPPERS) else {
                continue;
            };
            if let Some(Node::Object { class, .. }) = heap.node(value) {
                return Err(whole_module(class));
            }
            let mut inner = self.find(value, depth + 1).unwrap_or_default();
            if !inner.tensors.is_empty() {
                inner.wrapper = Some(match inner.wrapper {
                    Some(rest) => format!("{wrapper}.{rest}"),
                    None => wrapper.into(),
                });
                return Ok(inner);
            }
        }
        let keys = entries.iter().filter_map(|&(key, _)| heap.text(key));
        let keys: Vec<&str> = keys.collect();
        if keys.iter().any(|key| key.contains("optimizer")) {
            return Err(Refusal {
                what: format!(
                    "is a training checkpoint with {}, and none of these is a model's state dict",
                    keys.join(", ")
                ),
                hint: "save the model's state_dict() alone in Python".into(),
            });
        }
        self.collect(root, "", 0, &mut found.tensors)?;
        Ok(found)
    }

    fn collect(
        &mut self,
        dict: Value,
        prefix: &str,
        depth: usize,
        tensors: &mut Vec<(String, TensorView)>,
    ) -> Result<(), Refusal> {
        if depth == MAX_DEPTH {
            return Ok(());
        }
        let heap = self.heap;
        for &(key, value) in self.entries_of(dict)?.unwrap_or_default() {
            let Some(key) = heap.text(key) else { continue };
            if prefix.len() + key.len() > MAX_NAME {
                return Err(endless());
            }
            let name = if prefix.is_empty() {
                key.to_string()
            } else {
                format!("{prefix}.{key}")
            };
            match heap.node(value) {
                Some(Node::Tensor(tensor)) => tensors.push((name, tensor.clone())),
                Some(Node::Dict(_)) => self.collect(value, &name, depth + 1, tensors)?,
                // Sparse, quantised and other tensors that are more than a view of a storage.
                Some(Node::Object { class, .. }) if class.contains("._rebuild_") => {
                    return Err(Refusal {
                        what: format!("holds {name} in a form that is not read here ({class})"),
                        hint: "save plain, dense tensors".into(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The entries of a dict.
    fn entries_of(&mut self, dict: Value) -> Result<Option<&'a [(Value, Value)]>, Refusal> {
        let entries = self.heap.dict(dict);
        self.entries += entries.map_or(0, <[_]>::len);
        match self.entries > MAX_ENTRIES {
            true => Err(endless()),
            false => Ok(entries),
        }
    }
}

fn endless() -> Refusal {
    Refusal {
        what: "holds dicts that hold each other without an end".into(),
        hint: "save a module's state_dict() in Python".into(),
    }
}

fn whole_module(class: &str) -> Refusal {
    Refusal {
        what: format!("holds a whole module ({class}), which only its own program can load"),
        hint: "load it there and save its state_dict()".into(),
    }
}
