//! The parts of a new project, for each language. The build script embeds the folders, so that the binary needs no checkout.

/// A language of engines.
pub(crate) struct Language {
    /// The value of `--lang`.
    pub(crate) word: &'static str,
    /// Folders and files of this repository, each with the place in a project. The template goes to the project's own folder.
    pub(crate) parts: &'static [(&'static str, &'static str)],
    /// The commands that test the project and build the module.
    pub(crate) next: &'static [&'static str],
}

/// All languages, in the order of the help text.
pub(crate) const LANGUAGES: &[Language] = &[
    Language {
        word: "rust",
        parts: &[
            ("guest/template", ""),
            ("guest/secrets-framework", "framework/secrets-framework"),
            ("guest/engine-component", "framework/engine-component"),
            ("LICENSE", "framework/LICENSE"),
            ("NOTICE", "framework/NOTICE"),
            ("wit", "wit"),
        ],
        next: &["make test", "make module PLUGIN=/path/to/the/plugin/binary"],
    },
    Language {
        word: "js",
        parts: &[
            ("guest/javascript/template", ""),
            ("guest/javascript/helper", "helper"),
            ("LICENSE", "helper/LICENSE"),
            ("NOTICE", "helper/NOTICE"),
            ("wit", "wit"),
        ],
        next: &["npm ci", "npm test", "npm run build"],
    },
    Language {
        word: "python",
        parts: &[
            ("guest/python/template", ""),
            ("guest/python/helper", "helper"),
            ("LICENSE", "helper/LICENSE"),
            ("NOTICE", "helper/NOTICE"),
            ("wit", "wit"),
        ],
        next: &["make test", "make module PLUGIN=/path/to/the/plugin/binary"],
    },
];
