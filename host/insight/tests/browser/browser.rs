//! A browser without a window, driven by its own debugging protocol over a pipe.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest duration of one action of the browser on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Messages of the browser that wait to be read.
const MESSAGES_MAX: usize = 1_000;

/// A browser with one page. It ends with the test.
pub(crate) struct Browser {
    process: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    /// Faults that the page reported.
    faults: Vec<String>,
    session: String,
    next: u64,
    _profile: tempfile::TempDir,
}

/// `CHROMIUM_BIN`, or else the browser that `make tools` fetched.
fn program() -> PathBuf {
    let fetched = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/chromium/chromium");
    let program = std::env::var_os("CHROMIUM_BIN").map_or(fetched, PathBuf::from);
    assert!(program.exists(), "{} is not there: run `make tools`, or set CHROMIUM_BIN", program.display());
    program
}

impl Browser {
    pub(crate) fn start() -> Self {
        let program = program();
        let profile = tempfile::tempdir().unwrap();
        // The browser reads file descriptor 3 and writes file descriptor 4.
        let mut command = Command::new("bash");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"]).arg(&program);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-sync",
        ]);
        command.args(["--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        if let Some(folder) = program.parent() {
            command.env("LD_LIBRARY_PATH", folder.join("lib"));
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let (sender, messages) = sync_channel(MESSAGES_MAX);
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let Some(message) = message.ok().and_then(|text| serde_json::from_slice(&text).ok()) else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let session = String::new();
        let mut browser = Self { process, input, messages, faults: Vec::new(), session, next: 0, _profile: profile };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.ask("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens a page and waits until the page is drawn.
    pub(crate) fn open(&mut self, url: &str) {
        self.ask("Page.navigate", json!({ "url": url }));
        self.comes_true("document.documentElement?.dataset.ready === 'yes'");
    }

    /// The value of an expression, as text.
    pub(crate) fn run(&mut self, expression: &str) -> String {
        match self.evaluate(expression) {
            Value::String(text) => text,
            value => value.to_string(),
        }
    }

    pub(crate) fn number(&mut self, expression: &str) -> u64 {
        self.evaluate(expression).as_u64().unwrap()
    }

    pub(crate) fn text(&mut self, selector: &str) -> String {
        self.run(&format!("document.querySelector({}).textContent", json!(selector)))
    }

    pub(crate) fn click(&mut self, selector: &str) {
        let selector = json!(selector);
        let clicked =
            format!("document.querySelector({selector}).dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))");
        assert_eq!(self.evaluate(&clicked), json!(true), "{selector}");
    }

    pub(crate) fn type_into(&mut self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        self.run(&format!(
            "(() => {{ const field = document.querySelector({selector}); field.value = {text}; field.dispatchEvent(new Event('input')); }})()"
        ));
    }

    /// Waits until an expression is true.
    pub(crate) fn comes_true(&mut self, expression: &str) {
        let until = Instant::now() + DEADLINE;
        while self.evaluate(expression) != json!(true) {
            assert!(Instant::now() < until, "{expression} did not come true: {:?}", self.faults);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sets the colour scheme that the system prefers.
    pub(crate) fn prefer(&mut self, look: &str) {
        let feature = json!([{ "name": "prefers-color-scheme", "value": look }]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": feature }));
    }

    /// Exceptions, errors of the console and violations of the content policy so far.
    pub(crate) fn faults(&mut self) -> Vec<String> {
        self.evaluate("1");
        self.faults.clone()
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.ask("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message =
                self.messages.recv_timeout(left).unwrap_or_else(|_| panic!("the browser does not answer `{method}`"));
            if message["id"] == json!(self.next) {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        let fault = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(parameters["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                Some(parameters["entry"]["text"].to_string())
            }
            Some("Page.javascriptDialogOpening") => Some(parameters.to_string()),
            _ => None,
        };
        self.faults.extend(fault);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
