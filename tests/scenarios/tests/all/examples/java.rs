//! The program in Java: compiled, then run as an application runs it.

use std::fs;
use std::process::Command;

use harness::{tool, workspace_root};

use super::python::logs_in_with_a_leased_token;

#[test]
fn the_java_driver_logs_in_with_the_token_as_its_password() {
    let (java, compiler) = (tool("java/bin/java"), tool("java/jars/ecj.jar"));
    let jars = fs::read_dir(compiler.parent().unwrap()).unwrap().map(|jar| jar.unwrap().path());
    let jars: Vec<String> = jars.filter(|jar| *jar != compiler).map(|jar| jar.display().to_string()).collect();
    let classes = tempfile::tempdir().unwrap();
    // The version of Java is the oldest that the example is for.
    let compiled = Command::new(&java)
        .arg("-jar")
        .arg(compiler)
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
