//! Types as the WIT writes them, and the links to their headings.

use wit_parser::{Function, Handle, Resolve, Type, TypeDef, TypeDefKind, TypeId, TypeOwner};

/// The anchor of a heading, as the site and the forges make it.
pub(super) fn anchor(heading: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(|c| kept(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The heading of a type: `` Record `types.request` ``.
pub(super) fn heading(resolve: &Resolve, id: TypeId) -> String {
    let definition = &resolve.types[id];
    let kind = match &definition.kind {
        TypeDefKind::Record(_) => "Record",
        TypeDefKind::Variant(_) => "Variant",
        TypeDefKind::Enum(_) => "Enum",
        TypeDefKind::Resource => "Resource",
        TypeDefKind::Type(_) | TypeDefKind::List(_) => "Type",
        other => panic!("docs/interface.md shows no {}: write how", other.as_str()),
    };
    format!("{kind} `{}.{}`", interface_of(resolve, definition), definition.name.as_deref().unwrap())
}

fn interface_of<'a>(resolve: &'a Resolve, definition: &TypeDef) -> &'a str {
    let TypeOwner::Interface(owner) = definition.owner else { panic!("a type outside of an interface") };
    resolve.interfaces[owner].name.as_deref().unwrap()
}

/// The definition to which a name leads, where an interface uses that of another one.
pub(super) fn defined(resolve: &Resolve, id: TypeId) -> TypeId {
    match resolve.types[id].kind {
        TypeDefKind::Type(Type::Id(next)) if is_use(resolve, id, next) => defined(resolve, next),
        _ => id,
    }
}

/// Is it a `use`, which names no new type?
fn is_use(resolve: &Resolve, id: TypeId, of: TypeId) -> bool {
    let (here, there) = (&resolve.types[id], &resolve.types[of]);
    here.name == there.name && here.owner != there.owner
}

/// The type in the words of the WIT.
pub(super) fn text(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else { return primitive(ty).to_owned() };
    let definition = &resolve.types[*id];
    if let Some(name) = &definition.name {
        return name.clone();
    }
    let inner = |ty: &Type| text(resolve, ty);
    match &definition.kind {
        TypeDefKind::Handle(Handle::Own(of)) => inner(&Type::Id(*of)),
        TypeDefKind::Handle(Handle::Borrow(of)) => format!("borrow<{}>", inner(&Type::Id(*of))),
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", tuple.types.iter().map(inner).collect::<Vec<_>>().join(", ")),
        other => match (other, parts(other).as_slice()) {
            (TypeDefKind::Option(_), [some]) => format!("option<{}>", inner(some)),
            (TypeDefKind::List(_), [item]) => format!("list<{}>", inner(item)),
            (TypeDefKind::Result(result), _) => {
                let part = |part: &Option<Type>| part.as_ref().map_or_else(|| "_".to_owned(), inner);
                format!("result<{}, {}>", part(&result.ok), part(&result.err))
            }
            _ => panic!("docs/interface.md shows no {}: write how", other.as_str()),
        },
    }
}

fn primitive(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::String => "string",
        other => panic!("docs/interface.md shows no {other:?}: write how"),
    }
}

/// The types that a type without a name is made of.
fn parts(kind: &TypeDefKind) -> Vec<Type> {
    match kind {
        TypeDefKind::Handle(Handle::Own(of) | Handle::Borrow(of)) => vec![Type::Id(*of)],
        TypeDefKind::Option(of) | TypeDefKind::List(of) | TypeDefKind::Type(of) => vec![*of],
        TypeDefKind::Result(result) => [result.ok, result.err].into_iter().flatten().collect(),
        TypeDefKind::Tuple(tuple) => tuple.types.clone(),
        _ => Vec::new(),
    }
}

/// The definitions with a name that a type mentions, each once.
pub(super) fn mentioned(resolve: &Resolve, ty: &Type, found: &mut Vec<TypeId>) {
    let Type::Id(id) = ty else { return };
    if resolve.types[*id].name.is_none() {
        parts(&resolve.types[*id].kind).iter().for_each(|part| mentioned(resolve, part, found));
        return;
    }
    let id = defined(resolve, *id);
    if !found.contains(&id) {
        found.push(id);
    }
}

/// A link to a definition, under the name that it has there.
pub(super) fn link(resolve: &Resolve, id: TypeId) -> String {
    let name = resolve.types[id].name.as_deref().unwrap();
    format!("[`{name}`](#{})", anchor(&heading(resolve, id)))
}

/// The type for a table: with a link to the first definition that it mentions.
pub(super) fn linked(resolve: &Resolve, ty: &Type) -> String {
    let mut found = Vec::new();
    mentioned(resolve, ty, &mut found);
    let text = text(resolve, ty);
    let target = found.first().map(|id| anchor(&heading(resolve, *id)));
    target.map_or_else(|| format!("`{text}`"), |target| format!("[`{text}`](#{target})"))
}

/// A function as the WIT declares it.
pub(super) fn signature(resolve: &Resolve, function: &Function) -> String {
    let own = function.params.iter().filter(|param| param.name != "self");
    let params: Vec<String> = own.map(|param| format!("{}: {}", param.name, text(resolve, &param.ty))).collect();
    let result = function.result.as_ref().map_or_else(String::new, |ty| format!(" -> {}", text(resolve, ty)));
    format!("{}: func({}){result};", function.item_name(), params.join(", "))
}
