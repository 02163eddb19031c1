//! Runs the steps of docs/engine-authors.md as they stand there, for each language, and goes on with the engine that they mounted
//! through the rest of its life: lists, leases, an upstream, an update to a second version, a trap.

mod upstream;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::openbao::{Client, ClientProgram, Server, ServerKind};
use harness::{Outcome, openbao_binary, plugin_binary, python_wheels, tool, workspace_root};
use serde_json::{Value, json};
use wit_component::DecodedWasm;

use self::upstream::Upstream;

/// Time for the steps of one language, builds included, on a machine that is busy with other tests.
const STEPS_LONGEST: Duration = Duration::from_secs(1200);

/// The server's command. Beside other tests, a debug build compiles a large module for minutes, so what the page says of a busy
/// server is done.
const BAO: &str = r#"
bao() {
    "$BAO" "$@"
    [[ "$1 $2" != "secrets enable" ]] || until [[ $("$BAO" read -field=version greeter/module 2>/dev/null) == 0.* ]]; do
        [[ $("$BAO" read greeter/module 2>&1) != *"plugin reload"* ]] || "$BAO" plugin reload -plugin=greeter
        sleep 1
    done
}
"#;

const LAST_WORDS: &str = "all steps are done";

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A language of engines.
struct Language {
    /// The value of `--lang`.
    word: &'static str,
    /// The heading of its steps. Their last block builds the module.
    heading: &'static str,
    /// Lines of shell that put the toolchain of the tests there.
    toolchain: fn() -> String,
    /// True if the toolchain imports `wasi:cli` and `wasi:filesystem` whether a program needs them or not.
    imports_inert: bool,
    /// What a second version has other than the first: for each, a file, a text, and another text; no text means a new file. It raises
    /// the version and puts a bug into the read of the greeting `trap`.
    second: &'static [(&'static str, &'static str, &'static str)],
    /// What holds for this language only, asked of the second version.
    own_rules: fn(&Author),
}

const LANGUAGES: [Language; 3] = [
    Language {
        word: "rust",
        heading: "### In Rust",
        toolchain: rust,
        imports_inert: false,
        second: &[
            ("Cargo.toml", "version = \"0.1.0\"", "version = \"0.2.0\""),
            (
                "src/greeting.rs",
                "    find(context, name(data))?.map",
                "    assert_ne!(name(data), \"trap\");\n    find(context, name(data))?.map",
            ),
        ],
        own_rules: |_| (),
    },
    Language {
        word: "js",
        heading: "### In JavaScript",
        toolchain: javascript,
        imports_inert: false,
        second: &[
            ("src/engine.js", "version: '0.1.0'", "version: '0.2.0'"),
            (
                "src/greeting.js",
                "  const text = find(",
                "  if (name === 'trap') throw new TypeError('a bug');\n  const text = find(",
            ),
            ("src/probe.js", "", include_str!("authors/probe.js")),
            ("src/engine.js", "import { VISITOR }", "import { PROBE } from './probe.js';\nimport { VISITOR }"),
            ("src/engine.js", "CONFIG, VISITOR]", "CONFIG, VISITOR, PROBE]"),
        ],
        own_rules: javascript_rules,
    },
    Language {
        word: "python",
        heading: "### In Python",
        toolchain: python,
        imports_inert: true,
        second: &[
            ("engine/__init__.py", "version=\"0.1.0\"", "version=\"0.2.0\""),
            (
                "engine/greetings.py",
                "    text = find(",
                "    if data[\"name\"] == \"trap\":\n        raise ValueError(\"canary\")\n    text = find(",
            ),
            ("engine/probe.py", "", include_str!("authors/probe.py")),
            ("engine/__init__.py", "import config, ", "import config, probe, "),
            ("engine/__init__.py", "visitors.VISITOR)", "visitors.VISITOR, probe.PROBE)"),
        ],
        own_rules: python_rules,
    },
];

/// Home is a folder of the test's, so the toolchain is named; the build of an earlier run is kept.
fn rust() -> String {
    let home = env::var("HOME").unwrap_or_default();
    let from_env = |name: &str, otherwise: String| env::var(name).unwrap_or(otherwise);
    let root = workspace_root();
    let variables = [
        ("CARGO_HOME", from_env("CARGO_HOME", format!("{home}/.cargo"))),
        ("RUSTUP_HOME", from_env("RUSTUP_HOME", format!("{home}/.rustup"))),
        ("CARGO_TARGET_DIR", from_env("CARGO_TARGET_DIR", root.join("target").display().to_string())),
    ];
    let lines = variables.map(|(name, value)| format!("export {name}='{value}'\n"));
    // Where rustup's library for wasm cannot be had, the library is built from the sources of a distribution.
    let script = root.join("guest/build-wasm.sh");
    let make = format!("make() {{ env $(bash '{}' environment) make \"$@\"; }}\n", script.display());
    format!("{}unset RUSTFLAGS\n{make}", lines.concat())
}

/// What `make tools` fetched: node, and the packages that the lock file pins.
fn javascript() -> String {
    let tools = tool("javascript/bin/node").ancestors().nth(2).unwrap().display().to_string();
    format!(
        "export PATH='{tools}/bin':\"$PATH\" npm_config_cache='{tools}/cache' npm_config_offline=true npm_config_update_notifier=false\n"
    )
}

/// What `make tools` fetched: the wheels that the template pins. A `python3` that a tool chooses by the home folder is named.
fn python() -> String {
    let named = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let program = String::from_utf8(named.stdout).unwrap();
    format!("export PYTHON='{}' PIP_NO_INDEX=1 PIP_FIND_LINKS='{}'\n", program.trim(), python_wheels().display())
}

#[test]
fn an_engine_in_rust_lives_from_an_empty_folder_to_an_update() {
    Author::begin(&LANGUAGES[0]).lives();
}

#[test]
fn an_engine_in_javascript_lives_from_an_empty_folder_to_an_update() {
    Author::begin(&LANGUAGES[1]).lives();
}

#[test]
fn an_engine_in_python_lives_from_an_empty_folder_to_an_update() {
    Author::begin(&LANGUAGES[2]).lives();
}

#[test]
fn each_language_of_the_binary_is_one_of_the_page() {
    let refused = Command::new(plugin_binary()).args(["module", "new", "x", "--lang=?"]).output().unwrap();
    let words = LANGUAGES.each_ref().map(|language| language.word).join(", ");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains(&format!("[possible values: {words}]")), "{told}");
    assert_eq!(page().matches("\n### In ").count(), LANGUAGES.len());
}

fn page() -> String {
    fs::read_to_string(workspace_root().join("docs/engine-authors.md")).unwrap()
}

/// Somebody who follows the page, with a server and an upstream of their own.
struct Author {
    language: &'static Language,
    server: Server,
    client: Client,
    upstream: Upstream,
    program: ClientProgram,
    /// The section of the language, and the rest of the page without other languages.
    section: String,
    rest: String,
}

impl Author {
    fn begin(language: &'static Language) -> Self {
        let page = page();
        let (rest, sections) = page.split_once("\n### In ").unwrap();
        // The sections of the languages end where the next step begins.
        let (sections, after) = sections.split_once("\n## ").unwrap();
        let wanted = language.heading.trim_start_matches("### In ");
        let section = sections.split("\n### In ").find(|section| section.starts_with(&format!("{wanted}\n")));
        let server = Server::start(ServerKind::Dev);
        Self {
            language,
            client: server.client(),
            server,
            upstream: Upstream::start(TOKEN),
            program: ClientProgram::new(),
            section: section.unwrap_or_else(|| panic!("the page has no `{}`", language.heading)).to_owned(),
            rest: format!("{rest}\n## {after}"),
        }
    }

    fn lives(mut self) {
        self.follow_the_page();
        self.check_imports();
        let lease = self.use_the_first_version();
        self.update();
        self.use_the_second_version(&lease);
        self.client.must("DELETE", "sys/mounts/greeter", &Value::Null);
    }

    fn follow_the_page(&mut self) {
        let steps = [blocks(&self.section, "sh"), blocks(&self.rest, "sh")].concat();
        assert!(steps.len() > 4, "the page has no commands");
        let printed = self.run(&steps.join("\n"));
        for expected in [blocks(&self.section, "text"), blocks(&self.rest, "text")].concat() {
            assert!(
                printed.contains(expected),
                "the page says that this is printed:\n{expected}\nbut it was:\n{printed}"
            );
        }
    }

    /// An operator must allow each import of a module.
    fn check_imports(&self) {
        let imports = imports(&self.program.path("greeter/greeter-0.1.0.wasm"));
        assert!(imports.contains("secrets-engine:host/storage@0.1.0"), "{imports:?}");
        assert!(!imports.iter().any(|import| import.contains("socket")), "{imports:?}");
        let inert = imports.iter().any(|import| import.starts_with("wasi:cli/"));
        assert_eq!(inert, self.language.imports_inert, "{imports:?}");
    }

    /// A lease of the first version, for the second one.
    fn use_the_first_version(&self) -> String {
        assert_eq!(self.ask("LIST", "greetings", Value::Null).expect(200).keys(), ["alice"]);
        self.ask("POST", "greetings/bob", json!({})).expect_error(400, &["missing `text`"]);
        self.ask("GET", "passes/bob", Value::Null).expect_error(400, &["write `greetings/bob` first"]);
        let pass = self.ask("GET", "passes/alice", Value::Null).expect(200);
        assert_eq!(pass.text("pass").len(), 32);
        self.about("renew", &pass.lease_id()).expect(200);
        self.about("revoke", &pass.lease_id()).expect(204);
        assert!(self.about("renew", &pass.lease_id()).status >= 400);

        let config = self.ask("GET", "config", Value::Null).expect(200);
        assert_eq!(config.data, json!({ "url": self.upstream.url }));
        self.ask("GET", "visitors/nobody", Value::Null).expect(404);
        assert_eq!(self.ask("GET", "visitors/a b", Value::Null).expect(200).data["visits"], 3);
        assert_eq!(self.upstream.asked().last().unwrap(), "/visitors/a%20b");
        let elsewhere = json!({ "url": "https://elsewhere.example.com", "token": TOKEN });
        self.ask("POST", "config", elsewhere).expect_error(400, &["elsewhere.example.com"]);
        self.ask("POST", "config", json!({ "url": self.upstream.url, "tokens": "x" })).expect_error(400, &["`token`"]);
        self.ask("GET", "passes/alice", Value::Null).expect(200).lease_id()
    }

    /// Makes a second version by the page's own steps, which goes live under the mount.
    fn update(&mut self) {
        for (file, from, to) in self.language.second {
            let file = self.program.path("greeter").join(file);
            let text = if from.is_empty() { String::new() } else { fs::read_to_string(&file).unwrap() };
            assert!(text.contains(from), "{} has no `{from}`", file.display());
            fs::write(file, if from.is_empty() { (*to).to_owned() } else { text.replace(from, to) }).unwrap();
        }
        let build = *blocks(&self.section, "sh").last().unwrap();
        self.run(&format!(
            "cd greeter\n{build}\n\"$PLUGIN\" module sign --key signing-key.pem greeter-0.2.0.wasm\n\
             cp greeter-0.2.0.wasm.sig modules/ && cp greeter-0.2.0.wasm modules/"
        ));
        self.server.wait_at_most(STEPS_LONGEST, "the second version", || self.serving() == "0.2.0");
    }

    /// A trap ends its request and nothing else.
    fn use_the_second_version(&self, lease: &str) {
        assert_eq!(self.ask("GET", "greetings/alice", Value::Null).expect(200).text("text"), "Welcome");
        assert_eq!(self.ask("GET", "greetings/trap", Value::Null).status, 500);
        assert_eq!(self.ask("GET", "visitors/alice", Value::Null).expect(200).data["visits"], 3);
        assert_eq!(self.serving(), "0.2.0", "one fault is no reason for a revert");
        (self.language.own_rules)(self);
        self.about("renew", lease).expect(200);
        self.about("revoke", lease).expect(204);
        self.ask("DELETE", "greetings/alice", Value::Null).expect(204);
        self.ask("GET", "greetings/alice", Value::Null).expect(404);
    }

    fn serving(&self) -> String {
        self.ask("GET", "module", Value::Null).data["version"].as_str().unwrap_or_default().to_owned()
    }

    fn ask(&self, method: &str, path: &str, data: Value) -> Outcome {
        self.client.call(method, &format!("greeter/{}", path.replace(' ', "%20")), &data).outcome()
    }

    fn about(&self, verb: &str, lease: &str) -> Outcome {
        self.client.call("PUT", &format!("sys/leases/{verb}"), &json!({ "lease_id": lease, "sync": true })).outcome()
    }

    /// Runs steps in the author's folder, under the conditions that the page assumes. The text is what they printed.
    fn run(&mut self, steps: &str) -> String {
        let variables = [
            ("PLUGIN", plugin_binary().display().to_string()),
            ("UPSTREAM", self.upstream.url.clone()),
            ("UPSTREAM_TOKEN", TOKEN.to_owned()),
            ("BAO_ADDR", self.server.address().to_owned()),
            ("BAO_TOKEN", self.server.root_token()),
            ("VAULT_ADDR", self.server.address().to_owned()),
            ("VAULT_TOKEN", self.server.root_token()),
            ("BAO", openbao_binary().display().to_string()),
        ];
        let lines = variables.map(|(name, value)| format!("export {name}='{value}'\n")).concat();
        let toolchain = (self.language.toolchain)();
        let script = format!("set -euo pipefail\n{lines}{toolchain}{BAO}{steps}\necho {LAST_WORDS}\n");
        let script = self.program.write("steps.sh", &script);
        self.program.start(Path::new("/bin/bash"), &[script.display().to_string()]);
        assert!(self.program.ends_within(STEPS_LONGEST), "the steps take too long:\n{}", self.program.output());
        let printed = self.program.output();
        assert!(printed.trim_end().ends_with(LAST_WORDS), "a step failed:\n{printed}");
        printed
    }
}

/// Asks the path `probe/:kind` of the second version.
fn probe(author: &Author, kind: &str) -> Value {
    author.ask("GET", &format!("probe/{kind}"), Value::Null).expect(200).data
}

fn javascript_rules(author: &Author) {
    randomness_is_fresh(author, &["host", "crypto", "math"]);
    the_helper_offers_what_it_says(author);
}

/// CPython has sockets, files and processes, and the module refuses each; a bug is told without its data.
fn python_rules(author: &Author) {
    randomness_is_fresh(author, &["host", "random", "secrets", "urandom", "uuid", "system"]);
    the_helper_offers_what_it_says(author);
    for (call, refusal) in probe(author, "refused").as_object().unwrap() {
        let expected: &[&str] = match call.as_str() {
            "file" => &["FileNotFoundError"],
            "import" => &["ModuleNotFoundError"],
            // The C library below CPython chooses between the two.
            "name" => &["PermissionError", "gaierror"],
            "process" => &["OSError"],
            "thread" => &["RuntimeError"],
            _ => &["PermissionError"],
        };
        assert!(refusal.as_str().is_some_and(|refusal| expected.contains(&refusal)), "{call}: {refusal}");
    }
    assert_eq!(probe(author, "deep"), json!({ "nesting": 64 }));
    let nested = json!({ "text": (0..70).fold(json!(1), |inner, _| json!([inner])) });
    author.ask("POST", "greetings/nested", nested).expect_error(400, &["more than 64 deep"]);
    author.server.wait_for_line("the bug", |line| line.contains("the engine raised an exception"));
    let log = author.server.log();
    assert!(log.contains("ValueError") && !log.contains("canary"), "{log}");
}

/// Two requests have nothing random in common but what the build made.
fn randomness_is_fresh(author: &Author, sources: &[&str]) {
    let (one, other) = (probe(author, "random"), probe(author, "random"));
    for source in sources {
        assert_ne!(one[source], other[source], "{source}");
    }
    assert_eq!(one["made-by-the-build"], other["made-by-the-build"]);
}

fn the_helper_offers_what_it_says(author: &Author) {
    let probe = |kind: &str| probe(author, kind);
    assert_eq!(probe("locks"), json!({ "turns": [1, 2] }));
    let storage = json!({ "before": [], "a": "probe/a", "none": "none", "page": ["b"], "after": ["b"] });
    assert_eq!(probe("storage"), storage);
    let server = probe("server");
    // The server tells clients another ID of the mount, not the one of its backend.
    assert_eq!((server["mount"].as_str().map(str::len), &server["entity"]), (Some(36), &json!("none")));
    assert_eq!((&server["ttls"], &server["states"]), (&json!([2_764_800, 2_764_800]), &json!([false, false])));
    assert!(server["slept"].as_u64().is_some_and(|seconds| seconds >= 1), "{server}");
    author.server.wait_for_line("the line of the probe", |line| line.contains("the probe was here"));
    assert_eq!(probe("post"), json!({ "status": 401 }), "only a declared call carries the token");
    let sent = author.upstream.asked().pop().unwrap();
    assert!(sent.starts_with("POST /probes {\"text\":\"x") && sent.len() > 100_000, "{:.80}", sent);
    author.ask("GET", "probe/password", Value::Null).expect_error(500, &["failed to generate password"]);
    let policy = json!({ "policy": "length = 20\nrule \"charset\" { charset = \"ab\" }" });
    author.client.must("PUT", "sys/policies/password/probes", &policy);
    assert_eq!(probe("password")["password"].as_str().map(str::len), Some(20));
}

fn imports(component: &Path) -> BTreeSet<String> {
    let wasm = fs::read(component).unwrap();
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&wasm).unwrap() else {
        panic!("{} is no component", component.display())
    };
    resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect()
}

/// The fenced blocks of a language.
pub(crate) fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

#[test]
fn the_helper_for_engines_in_python_passes_its_own_tests() {
    let tests = ["-m", "unittest", "discover", "-s", "tests", "-t", "."];
    let folder = workspace_root().join("guest/python");
    let output = Command::new("python3").args(tests).current_dir(folder).output().unwrap();
    let summary = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{summary}");
    assert!(summary.contains("\nRan ") && !summary.contains("Ran 0 tests"), "{summary}");
}

/// Otherwise the template would be tested with other code than ours, and `cargo` would have to fetch it.
#[test]
fn the_template_is_built_from_the_versions_that_we_use() {
    let ours = locked("Cargo.lock");
    let foreign: Vec<String> = locked("guest/template/Cargo.lock").difference(&ours).cloned().collect();
    assert!(
        foreign.is_empty(),
        "guest/template/Cargo.lock differs from ours: copy Cargo.lock there and run `cargo metadata` in that folder, \
         which takes out what it does not need: {foreign:#?}"
    );
}

/// The external packages of a lock file.
fn locked(file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(workspace_root().join(file)).unwrap();
    let outside = |package: &&str| package.contains("\nchecksum = ");
    let head = |package: &str| package.split("\ndependencies = ").next().unwrap_or_default().trim().to_owned();
    let packages: BTreeSet<String> = text.split("[[package]]").filter(outside).map(head).collect();
    assert!(packages.len() > 10, "{file} has no packages");
    packages
}

/// A project is built as our own engines are.
#[test]
fn the_template_is_built_with_the_settings_of_our_engines() {
    let read = |file: &str| fs::read_to_string(workspace_root().join(file)).unwrap();
    let settings = read("guest/template/.cargo/config.toml");
    let profile = read("guest/profile.toml");
    assert!(settings.contains(profile.split_once("[profile").unwrap().1.trim()), "{settings}\nis not as\n{profile}");
    let script = read("guest/build-wasm.sh");
    for (name, flag) in [("STACK_BYTES", "-zstack-size="), ("INITIAL_MEMORY_BYTES", "--initial-memory=")] {
        let kibibytes = script.split(&format!("readonly {name}=$((")).nth(1).and_then(|rest| rest.split(' ').next());
        let bytes = kibibytes.unwrap().parse::<u64>().unwrap() * 1024;
        assert!(settings.contains(&format!("{flag}{bytes}\"")), "{settings}: {name} is {bytes}");
    }
    let channel = |file: &str| read(file).lines().find(|line| line.starts_with("channel")).unwrap().to_owned();
    assert_eq!(channel("guest/template/rust-toolchain.toml"), channel("rust-toolchain.toml"));
}
