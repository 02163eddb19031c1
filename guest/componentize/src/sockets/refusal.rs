//! A component that exports interfaces of sockets and refuses every call: a function whose error has a case `access-denied`
//! answers this case, and other functions, which nobody can call without a socket, are traps.

use anyhow::{Context, Result, bail};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{
    Handle, LiftLowerAbi, ManglingAndAbi, Resolve, ResourceIntrinsic, Type, TypeDefKind, TypeId, TypeOwner, WasmExport,
    WasmExportKind, WasmImport, WorldId, WorldItem, WorldKey,
};

const ABI: ManglingAndAbi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);

/// Where the answer of every refused call lies: a byte that says "error", and the number of the error in every byte at
/// which a result may have it.
const ANSWER_AT: i32 = 0;
const ANSWER_BYTES: usize = 32;
/// Where arguments go that need memory. Nobody reads them, so each may lie over the others.
const ARGUMENTS_AT: i32 = 64;
const MEMORY_PAGES: u64 = 1;

/// A component that exports these interfaces of a component's imports.
pub(super) fn component(resolve: &Resolve, interfaces: &[String]) -> Result<Vec<u8>> {
    let mut resolve = resolve.clone();
    let exports: String = interfaces.iter().map(|name| format!("export {name};")).collect();
    let wit = format!("package refusal:sockets; world refusal {{ {exports} }}");
    let package = resolve.push_str("refusal.wit", &wit).context("failed to name the interfaces of sockets")?;
    let world = resolve.select_world(&[package], None)?;
    let mut core_module = core_module(&resolve, world)?;
    embed_component_metadata(&mut core_module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default()
        .module(&core_module)
        .and_then(|encoder| encoder.validate(true).encode())
        .context("failed to make the component that refuses sockets")
}

/// One exported function.
struct Refused {
    name: String,
    params: Vec<ValType>,
    results: Vec<ValType>,
    answer: Answer,
}

#[derive(Clone, Copy)]
enum Answer {
    /// The result that says `access-denied`, which is the error with this number.
    Denied {
        case: u8,
        /// The import that gives back the handle in the first parameter: nothing may be borrowed at the end of a call.
        give_back: Option<u32>,
    },
    /// The place of an argument.
    Place,
    /// A new object of the resource that this import makes.
    Made(u32),
    Trap,
}

/// The functions for resources that a module imports.
#[derive(Default)]
struct Intrinsics(Vec<Intrinsic>);

#[derive(PartialEq)]
struct Intrinsic {
    module: String,
    name: String,
    has_result: bool,
}

impl Intrinsics {
    fn number(&mut self, resolve: &Resolve, resource: TypeId, intrinsic: ResourceIntrinsic) -> Option<u32> {
        let TypeOwner::Interface(owner) = resolve.types[resource].owner else { return None };
        let interface = WorldKey::Interface(owner);
        let has_result = matches!(intrinsic, ResourceIntrinsic::ExportedNew);
        let import = WasmImport::ResourceIntrinsic { interface: Some(&interface), resource, intrinsic };
        let (module, name) = resolve.wasm_import_name(ABI, import);
        let wanted = Intrinsic { module, name, has_result };
        let known = self.0.iter().position(|known| *known == wanted);
        let index = known.unwrap_or_else(|| {
            self.0.push(wanted);
            self.0.len() - 1
        });
        u32::try_from(index).ok()
    }
}

fn core_module(resolve: &Resolve, world: WorldId) -> Result<Vec<u8>> {
    let (mut intrinsics, mut functions) = (Intrinsics::default(), Vec::new());
    for (key, item) in &resolve.worlds[world].exports {
        let WorldItem::Interface { id, .. } = item else { continue };
        for function in resolve.interfaces[*id].functions.values() {
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let export = WasmExport::Func { interface: Some(key), func: function, kind: WasmExportKind::Normal };
            functions.push(Refused {
                name: resolve.wasm_export_name(ABI, export),
                params: val_types(&signature.params),
                results: val_types(&signature.results),
                answer: answer(resolve, world, function, &mut intrinsics).unwrap_or(Answer::Trap),
            });
        }
    }
    functions.push(Refused {
        name: resolve.wasm_export_name(ABI, WasmExport::Realloc),
        params: vec![ValType::I32; 4],
        results: vec![ValType::I32],
        answer: Answer::Place,
    });
    encode(&intrinsics, &functions, &resolve.wasm_export_name(ABI, WasmExport::Memory))
}

/// `access-denied` where a function's error has it, and an object where a function makes one out of nothing.
fn answer(
    resolve: &Resolve,
    world: WorldId,
    function: &wit_parser::Function,
    intrinsics: &mut Intrinsics,
) -> Option<Answer> {
    let Some(Type::Id(result)) = function.result else { return None };
    let is_ours = |resource: TypeId| match resolve.types[resource].owner {
        TypeOwner::Interface(owner) => resolve.worlds[world].exports.contains_key(&WorldKey::Interface(owner)),
        _ => false,
    };
    if let TypeDefKind::Handle(Handle::Own(resource)) = resolve.types[result].kind {
        let resource = alias_of(resolve, resource);
        let is_made = function.params.is_empty() && is_ours(resource);
        return is_made
            .then(|| intrinsics.number(resolve, resource, ResourceIntrinsic::ExportedNew).map(Answer::Made))?;
    }
    let case = access_denied(resolve, result)?;
    // A handle of this component's own resource comes as the object, and is no handle.
    let mut borrowed = function.params.iter().enumerate().filter_map(|(at, param)| {
        let Type::Id(id) = param.ty else { return None };
        let TypeDefKind::Handle(Handle::Borrow(resource)) = resolve.types[id].kind else { return None };
        let resource = alias_of(resolve, resource);
        (!is_ours(resource)).then_some((at, resource))
    });
    let give_back = match (borrowed.next(), borrowed.next()) {
        (None, _) => None,
        (Some((0, resource)), None) => Some(intrinsics.number(resolve, resource, ResourceIntrinsic::ImportedDrop)?),
        // Only methods of sockets borrow more, and there is no socket.
        _ => return None,
    };
    Some(Answer::Denied { case, give_back })
}

/// The number of `access-denied`, where a result's error has it.
fn access_denied(resolve: &Resolve, result: TypeId) -> Option<u8> {
    let TypeDefKind::Result(result) = &resolve.types[alias_of(resolve, result)].kind else { return None };
    let Some(Type::Id(error)) = result.err else { return None };
    let TypeDefKind::Enum(error) = &resolve.types[alias_of(resolve, error)].kind else { return None };
    let case = error.cases.iter().position(|case| case.name == "access-denied")?;
    u8::try_from(case).ok()
}

/// The type that an alias stands for.
fn alias_of(resolve: &Resolve, mut id: TypeId) -> TypeId {
    while let TypeDefKind::Type(Type::Id(of)) = resolve.types[id].kind {
        id = of;
    }
    id
}

fn val_types(types: &[WasmType]) -> Vec<ValType> {
    let val_type = |ty: &WasmType| match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
        WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
        WasmType::F32 => ValType::F32,
        WasmType::F64 => ValType::F64,
    };
    types.iter().map(val_type).collect()
}

fn encode(intrinsics: &Intrinsics, functions: &[Refused], memory: &str) -> Result<Vec<u8>> {
    let mut types = TypeSection::new();
    let (mut imports, mut declared, mut code) = (ImportSection::new(), FunctionSection::new(), CodeSection::new());
    let (mut exports, mut data) = (ExportSection::new(), DataSection::new());
    for (index, Intrinsic { module, name, has_result }) in intrinsics.0.iter().enumerate() {
        types.ty().function([ValType::I32], has_result.then_some(ValType::I32));
        imports.import(module, name, EntityType::Function(u32::try_from(index)?));
    }
    let mut denied = None;
    for (index, function) in functions.iter().enumerate() {
        // Types and functions have the same numbers, because each function has a type of its own.
        let number = u32::try_from(intrinsics.0.len() + index)?;
        types.ty().function(function.params.iter().copied(), function.results.iter().copied());
        declared.function(number);
        exports.export(&function.name, ExportKind::Func, number);
        code.function(&body(function.answer));
        if let Answer::Denied { case, .. } = function.answer
            && *denied.get_or_insert(case) != case
        {
            bail!("the interfaces of sockets have several types of errors");
        }
    }
    if let Some(case) = denied {
        let answer = [&[1], &[case; ANSWER_BYTES - 1][..]].concat();
        data.active(0, &ConstExpr::i32_const(ANSWER_AT), answer);
    }
    exports.export(memory, ExportKind::Memory, 0);
    let (mut module, mut memories) = (Module::new(), MemorySection::new());
    let minimum = MEMORY_PAGES;
    memories.memory(MemoryType { minimum, maximum: None, memory64: false, shared: false, page_size_log2: None });
    module.section(&types).section(&imports).section(&declared).section(&memories).section(&exports);
    module.section(&code).section(&data);
    Ok(module.finish())
}

fn body(answer: Answer) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    match answer {
        Answer::Denied { give_back, .. } => {
            if let Some(give_back) = give_back {
                code.local_get(0).call(give_back);
            }
            code.i32_const(ANSWER_AT)
        }
        Answer::Place => code.i32_const(ARGUMENTS_AT),
        Answer::Made(maker) => code.i32_const(0).call(maker),
        Answer::Trap => code.unreachable(),
    };
    code.end();
    body
}
