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

/// Dicts inside dicts; more are no state dict.
const MAX_DEPTH: usize = 64;

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
    if let Some(Node::Object { class, .. }) = heap.node(root) {
        return Err(whole_module(class));
    }
    let Some(entries) = heap.dict(root) else {
        return Err(Refusal {
            what: "holds no dict of tensors".into(),
            hint: "save a module's state_dict() in Python".into(),
        });
    };
    let mut found = StateDict::default();
    let direct = entries
        .iter()
        .any(|&(_, value)| matches!(heap.node(value), Some(Node::Tensor(_))));
    if direct {
        collect(heap, root, "", 0, &mut found.tensors)?;
        return Ok(found);
    }
    let named = |wanted: &str| {
        let entry = entries
            .iter()
            .find(|&&(key, _)| heap.text(key) == Some(wanted));
        entry.map(|&(_, value)| value)
    };
    for wrapper in WRAPPERS {
        let Some(value) = named(wrapper) else {
            continue;
        };
        if let Some(Node::Object { class, .. }) = heap.node(value) {
            return Err(whole_module(class));
        }
        let mut inner = find(heap, value).unwrap_or_default();
        if !inner.tensors.is_empty() {
            inner.wrapper = Some(match inner.wrapper {
                Some(rest) => format!("{wrapper}.{rest}"),
                None => wrapper.into(),
            });
            return Ok(inner);
        }
    }
    let optimizer = |key: &str| key.contains("optimizer");
    if entries
        .iter()
        .any(|&(key, _)| heap.text(key).is_some_and(optimizer))
    {
        let keys: Vec<&str> = entries
            .iter()
            .filter_map(|&(key, _)| heap.text(key))
            .collect();
        return Err(Refusal {
            what: format!(
                "is a training checkpoint with {}, and none of these is a model's state dict",
                keys.join(", ")
            ),
            hint: "save the model's state_dict() alone in Python".into(),
        });
    }
    collect(heap, root, "", 0, &mut found.tensors)?;
    Ok(found)
}

fn collect(
    heap: &Heap,
    dict: Value,
    prefix: &str,
    depth: usize,
    tensors: &mut Vec<(String, TensorView)>,
) -> Result<(), Refusal> {
    let fits = depth < MAX_DEPTH;
    for &(key, value) in heap.dict(dict).filter(|_| fits).unwrap_or_default() {
        let Some(key) = heap.text(key) else { continue };
        let name = if prefix.is_empty() {
            key.to_string()
        } else {
            format!("{prefix}.{key}")
        };
        match heap.node(value) {
            Some(Node::Tensor(tensor)) => tensors.push((name, tensor.clone())),
            Some(Node::Dict(_)) => collect(heap, value, &name, depth + 1, tensors)?,
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

fn whole_module(class: &str) -> Refusal {
    Refusal {
        what: format!("holds a whole module ({class}), which only its own program can load"),
        hint: "load it there and save its state_dict()".into(),
    }
}
