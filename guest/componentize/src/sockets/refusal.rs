//! A component that exports interfaces of sockets and refuses every call: a function whose error has a case
//! `access-denied` answers it, and the others, which nobody can call without a socket, are traps.

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
    Denied(u8),
    /// The place of an argument.
    Place,
    /// A new object of the resource whose maker is imported with this number.
    Made(u32),
    Trap,
}

fn core_module(resolve: &Resolve, world: WorldId) -> Result<Vec<u8>> {
    let (mut makers, mut functions) = (Vec::new(), Vec::new());
    for (key, item) in &resolve.worlds[world].exports {
        let WorldItem::Interface { id, .. } = item else { continue };
        for function in resolve.interfaces[*id].functions.values() {
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let export = WasmExport::Func { interface: Some(key), func: function, kind: WasmExportKind::Normal };
            let answer = match function.result {
                Some(Type::Id(result)) if signature.retptr => denied(resolve, result),
                Some(Type::Id(result)) if function.params.is_empty() => {
                    made(resolve, world, result).map(|maker| Answer::Made(number(&mut makers, maker)))
                }
                _ => None,
            };
            functions.push(Refused {
                name: resolve.wasm_export_name(ABI, export),
                params: val_types(&signature.params),
                results: val_types(&signature.results),
                answer: answer.unwrap_or(Answer::Trap),
            });
        }
    }
    functions.push(Refused {
        name: resolve.wasm_export_name(ABI, WasmExport::Realloc),
        params: vec![ValType::I32; 4],
        results: vec![ValType::I32],
        answer: Answer::Place,
    });
    encode(&makers, &functions, &resolve.wasm_export_name(ABI, WasmExport::Memory))
}

fn number(makers: &mut Vec<(String, String)>, maker: (String, String)) -> u32 {
    let known = makers.iter().position(|known| *known == maker);
    let index = known.unwrap_or_else(|| {
        makers.push(maker);
        makers.len() - 1
    });
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// `access-denied`, where the result's error has it.
fn denied(resolve: &Resolve, result: TypeId) -> Option<Answer> {
    let TypeDefKind::Result(result) = &resolve.types[alias_of(resolve, result)].kind else { return None };
    let Some(Type::Id(error)) = result.err else { return None };
    let TypeDefKind::Enum(error) = &resolve.types[alias_of(resolve, error)].kind else { return None };
    let case = error.cases.iter().position(|case| case.name == "access-denied")?;
    u8::try_from(case).ok().map(Answer::Denied)
}

/// The import that makes an object of the resource that a function answers, if the resource is of this component.
fn made(resolve: &Resolve, world: WorldId, result: TypeId) -> Option<(String, String)> {
    let TypeDefKind::Handle(Handle::Own(resource)) = resolve.types[result].kind else { return None };
    let resource = alias_of(resolve, resource);
    let TypeOwner::Interface(owner) = resolve.types[resource].owner else { return None };
    let key = WorldKey::Interface(owner);
    resolve.worlds[world].exports.contains_key(&key).then(|| {
        let intrinsic = ResourceIntrinsic::ExportedNew;
        resolve.wasm_import_name(ABI, WasmImport::ResourceIntrinsic { interface: Some(&key), resource, intrinsic })
    })
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

fn encode(makers: &[(String, String)], functions: &[Refused], memory: &str) -> Result<Vec<u8>> {
    let mut types = TypeSection::new();
    let (mut imports, mut declared, mut code) = (ImportSection::new(), FunctionSection::new(), CodeSection::new());
    let (mut exports, mut data) = (ExportSection::new(), DataSection::new());
    types.ty().function([ValType::I32], [ValType::I32]);
    for (module, name) in makers {
        imports.import(module, name, EntityType::Function(0));
    }
    let mut denied = None;
    for (index, function) in functions.iter().enumerate() {
        types.ty().function(function.params.iter().copied(), function.results.iter().copied());
        declared.function(u32::try_from(index + 1)?);
        exports.export(&function.name, ExportKind::Func, u32::try_from(makers.len() + index)?);
        code.function(&body(function));
        if let Answer::Denied(case) = function.answer
            && *denied.get_or_insert(case) != case
        {
            bail!("the interfaces of sockets have several types of errors");
        }
    }
    if let Some(case) = denied {
        let mut answer = [case; ANSWER_BYTES];
        answer[0] = 1;
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

fn body(function: &Refused) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    match function.answer {
        Answer::Denied(_) => code.i32_const(ANSWER_AT),
        Answer::Place => code.i32_const(ARGUMENTS_AT),
        Answer::Made(maker) => code.i32_const(0).call(maker),
        Answer::Trap => code.unreachable(),
    };
    code.end();
    body
}
