//! Toolchains of interpreters import `wasi:sockets` whether a program needs sockets or not, and no engine gets them. This
//! puts a component in the place of these imports, inside the component: it refuses every call, so that a program sees
//! an error (`access-denied`) where it asks for a socket or for a name, and the module imports no sockets.
//!
//! The result is a component around the given one. Its imports are those of the given one, section by section; only the
//! imports of sockets become instances of components that `refusal` makes. Nothing in the given component changes.

mod refusal;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use wasm_encoder::reencode::{Reencode, ReencodeComponent, component_utils};
use wasm_encoder::{
    Alias, Component, ComponentAliasSection, ComponentExportKind, ComponentExportSection, ComponentImportSection,
    ComponentInstanceSection, ComponentSectionId, RawSection,
};
use wasmparser::{ComponentExport, ComponentExternalKind, ComponentImport, ComponentTypeRef, Parser, Payload};
use wit_component::DecodedWasm;
use wit_parser::Resolve;

const SOCKETS: &str = "wasi:sockets/";

/// The component without imports of sockets. A component that imports none stays as it is.
///
/// # Errors
/// When the bytes are no component, or the component has a form that `wit-component` does not write.
pub(crate) fn refuse_sockets(component: &[u8]) -> Result<Vec<u8>> {
    let parsed = Parsed::of(component).context("failed to read the component")?;
    if !parsed.imports().any(|import| is_socket(import.name.name)) {
        return Ok(component.to_vec());
    }
    let DecodedWasm::Component(resolve, _) =
        wit_component::decode(component).context("failed to read the component")?
    else {
        bail!("this is no component, but a WIT package");
    };
    let mut around = Around { runs: parsed.runs(), ..Around::default() };
    for section in &parsed.head {
        around.section(&resolve, component, section)?;
    }
    let outer = around.finish(component, &parsed.exports)?;
    wit_component::decode(&outer).context("the component is invalid without its sockets")?;
    Ok(outer)
}

fn is_socket(import: &str) -> bool {
    import.starts_with(SOCKETS)
}

/// A section before the first one that is neither type, import nor alias.
enum Section<'a> {
    Type(std::ops::Range<usize>),
    Import(Vec<ComponentImport<'a>>),
    Alias(Vec<wasmparser::ComponentAlias<'a>>),
}

/// What the outermost level of a component imports and exports.
struct Parsed<'a> {
    head: Vec<Section<'a>>,
    exports: Vec<ComponentExport<'a>>,
}

impl<'a> Parsed<'a> {
    fn of(component: &'a [u8]) -> Result<Self> {
        let mut parsed = Self { head: Vec::new(), exports: Vec::new() };
        let (mut depth, mut is_head) = (0_usize, true);
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                    depth += 1;
                    is_head = false;
                }
                _ if depth > 0 => {}
                Payload::ComponentTypeSection(reader) if is_head => parsed.head.push(Section::Type(reader.range())),
                Payload::ComponentAliasSection(reader) if is_head => {
                    parsed.head.push(Section::Alias(reader.into_iter().collect::<Result<_, _>>()?));
                }
                Payload::ComponentImportSection(reader) if is_head => {
                    parsed.head.push(Section::Import(reader.into_iter().collect::<Result<_, _>>()?));
                }
                // Nobody writes components so; the one that is written around it would lack the import, and be refused.
                Payload::ComponentImportSection(_) => is_head = false,
                Payload::ComponentExportSection(reader) => {
                    let exports = reader.into_iter().collect::<Result<Vec<_>, _>>()?;
                    parsed.exports.extend(exports);
                }
                Payload::Version { .. } | Payload::CustomSection(_) => {}
                _ => is_head = false,
            }
        }
        Ok(parsed)
    }

    fn imports(&self) -> impl Iterator<Item = &ComponentImport<'a>> {
        self.head.iter().flat_map(|section| match section {
            Section::Import(imports) => imports.as_slice(),
            Section::Type(_) | Section::Alias(_) => &[],
        })
    }

    /// The imports of sockets in a row, by the first one. One component takes the place of a row: what it needs is
    /// imported before the row, because an import follows on all that it refers to.
    fn runs(&self) -> BTreeMap<String, Vec<String>> {
        let mut runs: Vec<Vec<String>> = vec![Vec::new()];
        for import in self.imports() {
            match runs.last_mut() {
                Some(run) if is_socket(import.name.name) => run.push(import.name.name.to_owned()),
                _ => runs.push(Vec::new()),
            }
        }
        runs.into_iter().filter_map(|run| Some((run.first()?.clone(), run))).collect()
    }
}

/// The component that is being written around the given one.
#[derive(Default)]
struct Around {
    component: Component,
    runs: BTreeMap<String, Vec<String>>,
    /// The instances of the given component's imports: their indices there, in order, give those here.
    renumbered: Vec<u32>,
    /// The instances here, by the names of the imports.
    instances: BTreeMap<String, u32>,
    instances_made: u32,
    components_made: u32,
}

impl Reencode for Around {
    type Error = std::convert::Infallible;
}

impl ReencodeComponent for Around {
    fn component_instance_index(&mut self, index: u32) -> u32 {
        // An index beyond the imports fails the validation of what is written here.
        usize::try_from(index).ok().and_then(|index| self.renumbered.get(index)).copied().unwrap_or(u32::MAX)
    }
}

impl Around {
    fn section(&mut self, resolve: &Resolve, bytes: &[u8], section: &Section<'_>) -> Result<()> {
        match section {
            Section::Type(range) => {
                let data = bytes.get(range.clone()).context("a section of types is cut off")?;
                self.component.section(&RawSection { id: ComponentSectionId::Type.into(), data });
            }
            Section::Alias(aliases) => {
                let mut section = ComponentAliasSection::new();
                for alias in aliases {
                    section.alias(component_utils::component_alias(self, alias.clone())?);
                }
                self.component.section(&section);
            }
            Section::Import(imports) => imports.iter().try_for_each(|import| self.import(resolve, import))?,
        }
        Ok(())
    }

    fn import(&mut self, resolve: &Resolve, import: &ComponentImport<'_>) -> Result<()> {
        let name = import.name.name;
        if !matches!(import.ty, ComponentTypeRef::Instance(_)) {
            bail!("the import `{name}` is no interface");
        }
        if let Some(run) = self.runs.remove(name) {
            self.refuse(resolve, &run)?;
        }
        let index = match self.instances.get(name) {
            Some(index) => *index,
            None => {
                let mut section = ComponentImportSection::new();
                section.import(import.name, component_utils::component_type_ref(self, import.ty)?);
                self.component.section(&section);
                self.next_instance(name)
            }
        };
        self.renumbered.push(index);
        Ok(())
    }

    /// Puts a component that refuses every call in the place of these imports.
    fn refuse(&mut self, resolve: &Resolve, run: &[String]) -> Result<()> {
        let refusing = refusal::component(resolve, run)?;
        let needed = crate::imports(&refusing)?;
        let arguments = needed.iter().map(|name| Ok((name.as_str(), ComponentExportKind::Instance, self.known(name)?)));
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        let refusing_instance = self.instantiate(&refusing, arguments);
        let mut aliases = ComponentAliasSection::new();
        for name in run {
            aliases.alias(Alias::InstanceExport {
                instance: refusing_instance,
                kind: ComponentExportKind::Instance,
                name,
            });
            self.next_instance(name);
        }
        self.component.section(&aliases);
        Ok(())
    }

    fn known(&self, import: &str) -> Result<u32> {
        self.instances.get(import).copied().with_context(|| format!("`{import}` is imported too late"))
    }

    fn instantiate(&mut self, component: &[u8], arguments: Vec<(&str, ComponentExportKind, u32)>) -> u32 {
        self.component.section(&RawSection { id: ComponentSectionId::Component.into(), data: component });
        let mut section = ComponentInstanceSection::new();
        section.instantiate(self.components_made, arguments);
        self.component.section(&section);
        self.components_made += 1;
        self.instances_made += 1;
        self.instances_made - 1
    }

    fn next_instance(&mut self, name: &str) -> u32 {
        let index = self.instances_made;
        self.instances.insert(name.to_owned(), index);
        self.instances_made += 1;
        index
    }

    /// Puts the given component inside, and exports what it exports.
    fn finish(mut self, given: &[u8], exports: &[ComponentExport<'_>]) -> Result<Vec<u8>> {
        let instances = std::mem::take(&mut self.instances);
        let arguments = instances.iter().map(|(name, index)| (name.as_str(), ComponentExportKind::Instance, *index));
        let inner = self.instantiate(given, arguments.collect());
        let (mut aliases, mut section) = (ComponentAliasSection::new(), ComponentExportSection::new());
        for export in exports {
            let name = export.name.name;
            if export.kind != ComponentExternalKind::Instance {
                bail!("the export `{name}` is no interface");
            }
            aliases.alias(Alias::InstanceExport { instance: inner, kind: ComponentExportKind::Instance, name });
            section.export(export.name, ComponentExportKind::Instance, self.next_instance(name), None);
        }
        self.component.section(&aliases);
        self.component.section(&section);
        Ok(self.component.finish())
    }
}
