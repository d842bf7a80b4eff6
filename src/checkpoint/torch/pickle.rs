//! Pickles, as far as PyTorch writes them: a stack machine that builds plain values and runs no code.
//!
//! Opcodes and their arguments are those of Python's module `pickletools`, protocols 0 to 5. Values lie side by side
//! in one vector and name each other by index, so that neither depth nor cycles of a hostile file can overflow the
//! stack.

use std::collections::HashMap;

/// A value; what does not fit into a word is a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A number that no shape or name depends on.
    Float,
    Node(usize),
}

/// A value with parts.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    /// Bytes, integers above 64 bits: nothing that a checkpoint is read from.
    Opaque,
    /// A class or function, as `module.name`.
    Global(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// What a persistent id stands for: always a storage in PyTorch's files.
    Persistent(Value),
    Tensor(TensorView),
    /// Anything else that a function or class would make.
    Object {
        class: String,
        state: Option<Value>,
    },
}

/// A tensor: where its elements lie in a storage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TensorView {
    /// The storage's persistent id.
    pub storage: Value,
    /// The element type where the storage does not say it, as `torch.float8_e5m2`.
    pub dtype: Option<String>,
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Elements from one index to the next of each dimension; 0 in expanded views.
    pub stride: Vec<usize>,
    /// Whether it stands for the elements with the other sign, as the imaginary part of a conjugate does.
    pub negative: bool,
}

/// All values of one pickle.
#[derive(Debug, Default)]
pub(super) struct Heap {
    nodes: Vec<Node>,
}

impl Heap {
    fn add(&mut self, node: Node) -> Value {
        self.nodes.push(node);
        Value::Node(self.nodes.len() - 1)
    }

    pub fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(index) => self.nodes.get(index),
            _ => None,
        }
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn text(&self, value: Value) -> Option<&str> {
        match self.node(value) {
            Some(Node::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn tuple(&self, value: Value) -> Option<&[Value]> {
        match self.node(value) {
            Some(Node::Tuple(items) | Node::List(items)) => Some(items),
            _ => None,
        }
    }

    pub fn dict(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.node(value) {
            Some(Node::Dict(entries)) => Some(entries),
            _ => None,
        }
    }
}

/// Letters that a class's name may have, with its module's. A small file can name a long text any number of times.
const MAX_NAME: usize = 1024;

/// Dimensions that a tensor may have in PyTorch.
const MAX_DIMENSIONS: usize = 64;

/// Functions inside functions that rebuild one tensor; more are a circle.
const MAX_WRAPPED: usize = 16;

/// Why a pickle cannot be read.
pub(super) type Fault = String;

/// Reads the pickle at the beginning of `bytes`: its values, the one that it stands for, and its length.
pub(super) fn read(bytes: &[u8]) -> Result<(Heap, Value, usize), Fault> {
    let mut machine = Machine {
        bytes,
        at: 0,
        heap: Heap::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        copied: 0,
    };
    let root = machine.run()?;
    Ok((machine.heap, root, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    heap: Heap,
    stack: Vec<Value>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
    /// Values that calls have copied: each of them stands in the file once.
    copied: usize,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Value, Fault> {
        loop {
            let opcode = self.take(1)?[0];
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), Fault> {
        match opcode {
            // Protocol and frame say nothing about values.
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'I' | b'L' | b'F' => self.decimal(opcode)?,
            b'J' => {
                let bytes = self.array::<4>()?;
                self.stack
                    .push(Value::Int(i32::from_le_bytes(bytes).into()));
            }
            b'K' => {
                let value = self.length(1)?;
                self.stack.push(Value::Int(value as i64));
            }
            b'M' => {
                let value = self.length(2)?;
                self.stack.push(Value::Int(value as i64));
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'G' => {
                self.skip(8)?;
                self.stack.push(Value::Float);
            }
            b'U' | 0x8c => self.text(1)?,
            b'T' | b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'S' | b'V' => {
                let line = self.line()?;
                let quotes = ['\'', '"'];
                let text = if opcode == b'S' {
                    line.trim_matches(quotes)
                } else {
                    &line
                };
                self.push_node(Node::Text(text.to_string()));
            }
            b'C' => self.opaque(1)?,
            b'B' => self.opaque(4)?,
            0x8e | 0x96 => self.opaque(8)?,
            b')' => self.push_node(Node::Tuple(Vec::new())),
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or_else(underflow)?;
                let items = self.stack.split_off(start);
                self.push_node(Node::Tuple(items));
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push_node(Node::Tuple(items));
            }
            b']' | 0x8f => self.push_node(Node::List(Vec::new())),
            b'l' | 0x91 => {
                let items = self.pop_to_mark()?;
                self.push_node(Node::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b'}' => self.push_node(Node::Dict(Vec::new())),
            b'd' => {
                let entries = pairs(self.pop_to_mark()?);
                self.push_node(Node::Dict(entries));
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let entries = pairs(self.pop_to_mark()?);
                self.set(entries)?;
            }
            b'g' | b'p' => {
                let line = self.line()?;
                let index = line
                    .trim()
                    .parse()
                    .map_err(|_| damaged("a memo's number"))?;
                self.memo(opcode == b'g', index)?;
            }
            b'h' | b'q' => {
                let index = self.length(1)?;
                self.memo(opcode == b'h', index)?;
            }
            b'j' | b'r' => {
                let index = self.length(4)?;
                self.memo(opcode == b'j', index)?;
            }
            0x94 => self.memo(false, self.memo.len())?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let global = class(&module, &name)?;
                self.push_node(Node::Global(global));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(module), Some(name)) = (self.heap.text(module), self.heap.text(name))
                else {
                    return Err(damaged("a class without a name"));
                };
                let global = class(module, name)?;
                self.push_node(Node::Global(global));
            }
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            0x92 => {
                let (_keywords, arguments, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.pop_to_mark()?;
                let class = class(&module, &name)?;
                self.push_node(Node::Object { class, state: None });
            }
            b'o' => {
                let items = self.pop_to_mark()?;
                let callable = *items.first().ok_or_else(underflow)?;
                let arguments = self.heap.add(Node::Tuple(items[1..].to_vec()));
                self.call(callable, arguments)?;
            }
            b'b' => {
                let built = self.pop()?;
                let top = self.top()?;
                if let Some(Node::Object { state, .. }) = self.node_mut(top) {
                    *state = Some(built);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push_node(Node::Persistent(id));
            }
            b'P' => {
                let id = Node::Text(self.line()?);
                let id = self.heap.add(id);
                self.push_node(Node::Persistent(id));
            }
            other => return Err(format!("unknown pickle opcode 0x{other:02x}")),
        }
        Ok(())
    }

    /// What functions of PyTorch make of their arguments; everything else becomes an object that only has a name.
    fn call(&mut self, callable: Value, arguments: Value) -> Result<(), Fault> {
        let mut arguments = self.arguments(arguments)?;
        let mut callable = callable;
        for _ in 0..MAX_WRAPPED {
            let name = match self.heap.node(callable) {
                Some(Node::Global(name)) => name.clone(),
                _ => return Err(damaged("a call of what is no function")),
            };
            match name.as_str() {
                "torch._tensor._rebuild_from_type_v2" => {
                    let [function, _type, inner, ..] = arguments[..] else {
                        return Err(damaged("a tensor of a subclass"));
                    };
                    callable = function;
                    arguments = self.arguments(inner)?;
                    continue;
                }
                "torch._utils._rebuild_parameter"
                | "torch._utils._rebuild_parameter_with_state" => {
                    let tensor = *arguments.first().ok_or_else(|| damaged("a parameter"))?;
                    self.stack.push(tensor);
                }
                "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => {
                    let view = self.view(&arguments, None)?;
                    self.push_node(Node::Tensor(view));
                }
                "torch._utils._rebuild_tensor_v3" => {
                    let dtype = match arguments.get(6).and_then(|&value| self.heap.node(value)) {
                        Some(Node::Global(name) | Node::Object { class: name, .. }) => name.clone(),
                        _ => return Err(damaged("a tensor without an element type")),
                    };
                    let view = self.view(&arguments, Some(dtype))?;
                    self.push_node(Node::Tensor(view));
                }
                "collections.OrderedDict" | "collections.defaultdict" | "builtins.dict" => {
                    let list = arguments.first().copied().unwrap_or(Value::None);
                    let list = self.arguments(list)?;
                    let entries = list.iter().filter_map(|&pair| {
                        let pair = self.heap.tuple(pair)?;
                        Some((*pair.first()?, *pair.get(1)?))
                    });
                    let entries = entries.collect();
                    self.push_node(Node::Dict(entries));
                }
                _ => self.push_node(Node::Object {
                    class: name,
                    state: None,
                }),
            }
            return Ok(());
        }
        Err(damaged("a tensor of subclasses without an end"))
    }

    /// The items of a tuple or list.
    fn arguments(&mut self, tuple: Value) -> Result<Vec<Value>, Fault> {
        let items = self.heap.tuple(tuple).unwrap_or_default().to_vec();
        self.copied += items.len();
        if self.copied > self.bytes.len() {
            return Err(damaged("more arguments than it has room for"));
        }
        Ok(items)
    }

    /// `(storage, offset, shape, stride, requires_grad, hooks, metadata)`; the last one is missing in most files, and its
    /// place is the element type's in the third version.
    fn view(&self, arguments: &[Value], dtype: Option<String>) -> Result<TensorView, Fault> {
        let [storage, offset, shape, stride, ..] = *arguments else {
            return Err(damaged("a tensor with too few arguments"));
        };
        let Some(Node::Persistent(storage)) = self.heap.node(storage) else {
            return Err(damaged("a tensor without a storage"));
        };
        let sizes = |value: Value| -> Option<Vec<usize>> {
            let sizes = self.heap.tuple(value)?;
            let sizes = sizes.iter().map(|&size| natural(size));
            sizes.take(MAX_DIMENSIONS + 1).collect()
        };
        let metadata = arguments.get(if dtype.is_some() { 7 } else { 6 });
        let metadata = metadata.and_then(|&value| self.heap.dict(value));
        let negative = metadata
            .unwrap_or_default()
            .iter()
            .any(|&(key, value)| self.heap.text(key) == Some("neg") && value == Value::Bool(true));
        match (natural(offset), sizes(shape), sizes(stride)) {
            (Some(offset), Some(shape), Some(stride))
                if shape.len() == stride.len() && shape.len() <= MAX_DIMENSIONS =>
            {
                Ok(TensorView {
                    storage: *storage,
                    dtype,
                    offset,
                    shape,
                    stride,
                    negative,
                })
            }
            _ => Err(damaged("a tensor's shape or stride")),
        }
    }

    fn push_node(&mut self, node: Node) {
        let value = self.heap.add(node);
        self.stack.push(value);
    }

    fn node_mut(&mut self, value: Value) -> Option<&mut Node> {
        match value {
            Value::Node(index) => self.heap.nodes.get_mut(index),
            _ => None,
        }
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), Fault> {
        let top = self.top()?;
        if let Some(Node::List(list)) = self.node_mut(top) {
            list.extend(items);
        }
        Ok(())
    }

    fn set(&mut self, entries: Vec<(Value, Value)>) -> Result<(), Fault> {
        let top = self.top()?;
        if let Some(Node::Dict(dict)) = self.node_mut(top) {
            dict.extend(entries);
        }
        Ok(())
    }

    fn memo(&mut self, get: bool, index: usize) -> Result<(), Fault> {
        if get {
            let value = self.memo.get(&index);
            self.stack
                .push(*value.ok_or_else(|| damaged("a memo that was never kept"))?);
        } else {
            let top = self.top()?;
            self.memo.insert(index, top);
        }
        Ok(())
    }

    fn top(&self) -> Result<Value, Fault> {
        self.stack.last().copied().ok_or_else(underflow)
    }

    fn pop(&mut self) -> Result<Value, Fault> {
        self.stack.pop().ok_or_else(underflow)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Fault> {
        let mark = self.marks.pop().ok_or_else(underflow)?;
        if mark > self.stack.len() {
            return Err(underflow());
        }
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| "it ends too early".to_string())?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| damaged("a number"))
    }

    fn skip(&mut self, count: usize) -> Result<(), Fault> {
        self.take(count).map(drop)
    }

    /// An unsigned little-endian number of `bytes` bytes.
    fn length(&mut self, bytes: usize) -> Result<usize, Fault> {
        let mut value = [0; 8];
        value[..bytes].copy_from_slice(self.take(bytes)?);
        usize::try_from(u64::from_le_bytes(value)).map_err(|_| damaged("a length"))
    }

    fn line(&mut self) -> Result<String, Fault> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let length = length.ok_or_else(|| "it ends too early".to_string())?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }

    fn text(&mut self, bytes: usize) -> Result<(), Fault> {
        let length = self.length(bytes)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push_node(Node::Text(text));
        Ok(())
    }

    fn opaque(&mut self, bytes: usize) -> Result<(), Fault> {
        let length = self.length(bytes)?;
        self.skip(length)?;
        self.push_node(Node::Opaque);
        Ok(())
    }

    /// A number as text; old pickles write booleans as `00` and `01`.
    fn decimal(&mut self, opcode: u8) -> Result<(), Fault> {
        let line = self.line()?;
        let value = match (opcode, line.trim()) {
            (b'F', _) => Value::Float,
            (b'I', "00") => Value::Bool(false),
            (b'I', "01") => Value::Bool(true),
            (_, text) => match text.trim_end_matches('L').parse() {
                Ok(value) => Value::Int(value),
                Err(_) => self.heap.add(Node::Opaque),
            },
        };
        self.stack.push(value);
        Ok(())
    }

    /// A signed little-endian number behind its length.
    fn long(&mut self, bytes: usize) -> Result<(), Fault> {
        let length = self.length(bytes)?;
        let digits = self.take(length)?;
        let value = if length > 8 {
            self.heap.add(Node::Opaque)
        } else {
            let negative = digits.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut value = [if negative { 0xff } else { 0 }; 8];
            value[..length].copy_from_slice(digits);
            Value::Int(i64::from_le_bytes(value))
        };
        self.stack.push(value);
        Ok(())
    }
}

/// A number that counts something.
pub(super) fn natural(value: Value) -> Option<usize> {
    match value {
        Value::Int(value) => usize::try_from(value).ok(),
        _ => None,
    }
}

fn pairs(items: Vec<Value>) -> Vec<(Value, Value)> {
    items
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

/// The name of a class or function.
fn class(module: &str, name: &str) -> Result<String, Fault> {
    if module.len() + name.len() > MAX_NAME {
        return Err(damaged("a class with a name without an end"));
    }
    Ok(format!("{module}.{name}"))
}

fn underflow() -> Fault {
    damaged("more is taken than was put there")
}

fn damaged(what: &str) -> Fault {
    format!("its pickle is damaged: {what}")
}
