//! The program in Java: compiled, then run as an application runs it.

use std::fs;
use std::process::Command;

use harness::{tool, workspace_root};

use super::python::logs_in_with_a_leased_token;

#[test]
fn the_java_driver_logs_in_with_the_token_as_its_password() {
    let java = tool("java/bin/java");
    let jars: Vec<String> = fs::read_dir(tool("java/jars"))
        .unwrap()
        .map(|jar| jar.unwrap().path().display().to_string())
        .filter(|jar| !jar.ends_with("/ecj.jar"))
        .collect();
    let classes = tempfile::tempdir().unwrap();
    // The version of Java is the oldest that the example is for.
    let compiled = Command::new(&java)
        .arg("-jar")
        .arg(tool("java/jars/ecj.jar"))
        .args(["-11", "-proc:none", "-failOnWarning", "-classpath", &jars.join(":"), "-d"])
        .arg(classes.path())
        .arg(workspace_root().join("examples/java/CassandraApp.java"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let mut program = Command::new(java);
    program.args(["-classpath", &format!("{}:{}", jars.join(":"), classes.path().display()), "CassandraApp"]);
    logs_in_with_a_leased_token(program, "astra-java");
}
