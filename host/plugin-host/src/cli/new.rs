//! `module new`: a project with a small engine, its tests and all that it is built on.

mod languages;

use std::path::Path;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use modules::ModuleId;
use serde::Serialize;

use self::languages::{LANGUAGES, Language};
use super::output::{Output, Report};
use crate::failure::Failure;
use crate::files;

include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// The name of the engine in the templates.
const TEMPLATE_NAME: &str = "greeter";

/// `module new NAME --lang LANGUAGE`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the engine and of the new folder.
    name: String,
    /// Language of the engine.
    #[arg(long, value_name = "LANGUAGE", value_parser = words())]
    lang: String,
    #[command(flatten)]
    output: Output,
}

fn words() -> PossibleValuesParser {
    PossibleValuesParser::new(LANGUAGES.iter().map(|language| language.word))
}

#[derive(Debug, Serialize)]
struct Written {
    folder: String,
    language: &'static str,
    /// The number of files.
    files: usize,
    /// The commands that test the project and build the module.
    next: &'static [&'static str],
}

impl Arguments {
    /// Writes the folder as a whole, or not at all.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        // Of another name, no mount could select the engine.
        ModuleId::new(&self.name, "0.1.0").map_err(|error| Failure::Usage(error.to_string()))?;
        let known = LANGUAGES.iter().find(|language| language.word == self.lang);
        let language = known.ok_or_else(|| Failure::Usage(format!("`--lang`: unknown language `{}`", self.lang)))?;
        let files = project(language, &self.name);
        files::write_new_folder(Path::new(&self.name), &files)?;
        let Language { word, next, .. } = language;
        self.output.print(&Written { folder: self.name.clone(), language: word, files: files.len(), next })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The files of a project, each with its path and its text.
fn project(language: &Language, name: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (from, to) in language.parts {
        for (path, text) in SOURCES {
            let Some(below) = path.strip_prefix(from) else { continue };
            let text = if to.is_empty() { of_template(text, name) } else { (*text).to_owned() };
            match below.strip_prefix('/') {
                Some(below) if to.is_empty() => files.push((below.to_owned(), text)),
                Some(below) => files.push((format!("{to}/{below}"), text)),
                None if below.is_empty() => files.push(((*to).to_owned(), text)),
                // Another folder, whose name is longer.
                None => {}
            }
        }
    }
    files
}

/// A file of a template, which is in a folder of its own.
fn of_template(text: &str, name: &str) -> String {
    text.replace(TEMPLATE_NAME, name).replace("path = \"../", "path = \"framework/")
}

impl Report for Written {
    fn text(&self) -> String {
        let Self { folder, language, files, next } = self;
        let steps: String = next.iter().map(|step| format!("  {step}\n")).collect();
        format!(
            "{folder}: an engine in {language}, of {files} files; go on with README.md there, or with\n\n  cd {folder}\n{steps}"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_language_has_a_project_of_its_own() {
        for language in LANGUAGES {
            let files = project(language, "my-engine");
            let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names.len(), files.len(), "{}: two files have one name", language.word);
            for expected in ["README.md", ".gitignore", "wit/world.wit"] {
                assert!(names.contains(expected), "{}: {expected} is missing: {names:?}", language.word);
            }
            let template: Vec<_> = files.iter().filter(|(name, _)| !name.contains("framework/")).collect();
            assert!(template.iter().any(|(_, text)| text.contains("my-engine")), "{}", language.word);
            for (name, text) in template {
                assert!(!text.contains(TEMPLATE_NAME) && !text.contains("\"../secrets"), "{}: {name}", language.word);
            }
        }
    }

    #[test]
    fn the_manifests_of_a_project_need_no_workspace() {
        for (name, text) in SOURCES.iter().filter(|(name, _)| name.ends_with("Cargo.toml")) {
            assert!(!text.contains("workspace = true") && !text.contains("\"guest/"), "{name}:\n{text}");
        }
    }
}
