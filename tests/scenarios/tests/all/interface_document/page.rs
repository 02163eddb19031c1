//! The text of the page: worlds first, then each package with its interfaces, functions before types.

use wit_parser::{
    Docs, Function, Interface, Package, Resolve, Type, TypeDefKind, TypeId, WorldId, WorldItem, WorldKey,
};

use super::types::{defined, heading, link, linked, mentioned, signature};

/// Stands where the WIT has no comment.
pub(super) const UNEXPLAINED: &str = "(without a comment)";

/// Our packages, in the order in which an author of an engine needs them.
const PACKAGES: [&str; 5] = ["backend", "host", "secrets", "paths", "metrics"];

/// Characters of a line of text.
const WIDTH: usize = 140;

const HEAD: &str = "# Interface of engines

This page is written from the comments of the WIT files in [wit/](../wit/world.wit), which are the interface between the host and an
engine: [An engine of your own](engine-authors.md) says how to begin, and an engine on the framework in Rust sees none of this. The host
serves components of each world. A released package never changes, except for its comments.

";

pub(super) fn of(resolve: &Resolve) -> String {
    let mut text = HEAD.to_owned();
    text += "## Worlds\n\nA world says what a component exports, and all that a component may import.\n\n";
    let mut worlds: Vec<&Package> = ours(resolve).filter(|package| package.name.name == "world").collect();
    worlds.sort_by_key(|package| std::cmp::Reverse(package.name.version.clone()));
    for package in worlds {
        // The whole world is the last one of its file, after the parts that it includes.
        for world in package.worlds.values().rev() {
            text += &world_text(resolve, package, *world);
        }
    }
    for name in PACKAGES {
        let package = ours(resolve).find(|package| package.name.name == name).unwrap();
        text += &format!("## Package `{}`\n\n{}", package.name, paragraphs(&package.docs));
        let mut interfaces: Vec<&Interface> =
            package.interfaces.values().map(|interface| &resolve.interfaces[*interface]).collect();
        interfaces.sort_by_key(|interface| interface.functions.is_empty());
        for interface in interfaces {
            text += &interface_text(resolve, interface);
        }
    }
    text.trim_end().to_owned() + "\n"
}

/// The interfaces of our packages.
pub(super) fn interfaces(resolve: &Resolve) -> impl Iterator<Item = &Interface> {
    ours(resolve).flat_map(|package| package.interfaces.values()).map(|id| &resolve.interfaces[*id])
}

fn ours(resolve: &Resolve) -> impl Iterator<Item = &Package> {
    let packages = resolve.packages.iter().map(|(_, package)| package);
    packages.filter(|package| package.name.namespace == "secrets-engine")
}

fn world_text(resolve: &Resolve, package: &Package, id: WorldId) -> String {
    let world = &resolve.worlds[id];
    let version = package.name.version.as_ref().unwrap();
    let mut text = format!("### World `{}@{version}`\n\n{}", world.name, paragraphs(&world.docs));
    for (title, items) in [("import", &world.imports), ("export", &world.exports)] {
        let (mut rows, mut others) = (String::new(), Vec::new());
        for (key, item) in items {
            let WorldItem::Interface { docs, .. } = item else { panic!("a world with more than interfaces") };
            match purpose(resolve, key, docs) {
                Some(purpose) => rows += &format!("| {} | {purpose} |\n", world_item(resolve, key)),
                None => others.push(world_item(resolve, key)),
            }
        }
        let also = if rows.is_empty() { "Interfaces" } else { "Also, for the types of these" };
        if !rows.is_empty() {
            text += &format!("| {title} | |\n| --- | --- |\n{rows}\n");
        }
        if !others.is_empty() {
            text += &format!("{}\n\n", wrapped(&format!("{also}: {}.", others.join(", "))));
        }
    }
    text
}

/// The interface, with a link if this page has it.
fn world_item(resolve: &Resolve, key: &WorldKey) -> String {
    let name = resolve.name_world_key(key);
    let WorldKey::Interface(id) = key else { panic!("a world with an interface of its own") };
    if !name.starts_with("secrets-engine:") {
        return format!("`{name}`");
    }
    let heading = interface_heading(&resolve.interfaces[*id]);
    format!("[`{name}`](#{})", super::types::anchor(&heading))
}

/// What the world says of the interface; else what the interface says of itself, if it is ours.
fn purpose(resolve: &Resolve, key: &WorldKey, docs: &Docs) -> Option<String> {
    let WorldKey::Interface(id) = key else { panic!("a world with an interface of its own") };
    let own = resolve.name_world_key(key).starts_with("secrets-engine:").then(|| &resolve.interfaces[*id].docs);
    let said = [Some(docs), own].into_iter().flatten().find(|docs| docs.contents.is_some());
    said.map(cell)
}

fn interface_heading(interface: &Interface) -> String {
    format!("Interface `{}`", interface.name.as_deref().unwrap())
}

fn interface_text(resolve: &Resolve, interface: &Interface) -> String {
    let name = interface.name.as_deref().unwrap();
    let mut text = format!("### {}\n\n{}", interface_heading(interface), paragraphs(&interface.docs));
    let is_method = |function: &&Function| function.name.starts_with('[');
    for function in interface.functions.values().filter(|function| !is_method(function)) {
        text += &function_text(resolve, name, function);
    }
    for id in interface.types.values().filter(|id| defined(resolve, **id) == **id) {
        text += &type_text(resolve, *id);
        let resource = resolve.types[*id].name.as_deref().unwrap();
        let methods = interface.functions.values().filter(is_method);
        for method in methods.filter(|method| method.name.contains(&format!("]{resource}."))) {
            text += &function_text(resolve, &format!("{name}.{resource}"), method);
        }
    }
    text
}

fn function_text(resolve: &Resolve, of: &str, function: &Function) -> String {
    let mut used = Vec::new();
    let params = function.params.iter().filter(|param| param.name != "self").map(|param| &param.ty);
    params.chain(&function.result).for_each(|ty| mentioned(resolve, ty, &mut used));
    let links: Vec<String> = used.into_iter().map(|id| link(resolve, id)).collect();
    let types = if links.is_empty() { String::new() } else { format!("Types: {}\n\n", links.join(", ")) };
    format!(
        "#### Function `{of}.{}`\n\n```wit\n{}\n```\n\n{}{types}",
        function.item_name(),
        signature(resolve, function),
        paragraphs(&function.docs)
    )
}

fn type_text(resolve: &Resolve, id: TypeId) -> String {
    let definition = &resolve.types[id];
    let mut text = format!("#### {}\n\n{}", heading(resolve, id), paragraphs(&definition.docs));
    let row = |name: &str, ty: Option<&Type>, docs: &Docs| {
        let ty = ty.map_or_else(String::new, |ty| linked(resolve, ty));
        format!("| `{name}` | {ty} | {} |\n", cell(docs))
    };
    let rows: Vec<String> = match &definition.kind {
        TypeDefKind::Record(record) => {
            text += "| field | type | |\n| --- | --- | --- |\n";
            record.fields.iter().map(|field| row(&field.name, Some(&field.ty), &field.docs)).collect()
        }
        TypeDefKind::Variant(variant) => {
            text += "| case | with | |\n| --- | --- | --- |\n";
            variant.cases.iter().map(|case| row(&case.name, case.ty.as_ref(), &case.docs)).collect()
        }
        TypeDefKind::Enum(cases) => {
            text += "| case | |\n| --- | --- |\n";
            cases.cases.iter().map(|case| format!("| `{}` | {} |\n", case.name, cell(&case.docs))).collect()
        }
        TypeDefKind::Resource => return text,
        TypeDefKind::Type(of) => return text + &format!("The same as {}.\n\n", linked(resolve, of)),
        TypeDefKind::List(of) => return text + &format!("A list of {}.\n\n", linked(resolve, of)),
        other => panic!("docs/interface.md shows no {}: write how", other.as_str()),
    };
    text + &rows.concat() + "\n"
}

/// A comment in one line.
fn cell(docs: &Docs) -> String {
    let text = docs.contents.as_deref().unwrap_or(UNEXPLAINED);
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// A comment, each of its paragraphs in lines of the page's width.
fn paragraphs(docs: &Docs) -> String {
    let text = docs.contents.as_deref().unwrap_or(UNEXPLAINED);
    text.trim().split("\n\n").map(|paragraph| wrapped(paragraph) + "\n\n").collect()
}

fn wrapped(paragraph: &str) -> String {
    let mut lines = vec![String::new()];
    for word in paragraph.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}
