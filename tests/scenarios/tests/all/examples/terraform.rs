//! The example declares exactly the answer of a read, so the provider finds no change in the next plan.

use harness::openbao::Server;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::example;
use crate::lifecycle::on;

/// The fields of `jsonencode({ … })`, with the values of the variables.
fn fields(block: &str, variable: &dyn Fn(&str) -> Value) -> Map<String, Value> {
    let value = |text: &str| match text.strip_prefix("var.") {
        Some(name) => variable(name),
        None => serde_json::from_str(text).unwrap_or_else(|error| panic!("`{text}`: {error}")),
    };
    let line = Regex::new(r"(?m)^\s+(\w+)\s+= (.+)$").unwrap();
    let encoded = block.split("jsonencode({").nth(1).unwrap().split("})").next().unwrap();
    line.captures_iter(encoded)
        .map(|found| {
            let item = found[2].strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            (found[1].to_owned(), item.map_or_else(|| value(&found[2]), |item| json!([value(item)])))
        })
        .collect()
}

#[test]
fn a_second_plan_after_the_example_is_empty() {
    let server = Server::shared();
    let stage = on(&server, "astra-terraform");
    let text = example("terraform/main.tf");
    let variable = |name: &str| match name {
        "org" => json!(stage.alpha.id),
        "astra_role" => json!(stage.astra_role(&stage.alpha, "R/W User")),
        "astra_token" => json!(stage.alpha.token),
        other => panic!("the test has no variable `{other}`"),
    };
    let path = Regex::new(r#"path\s+= "astra/(.+)""#).unwrap();
    let blocks: Vec<&str> = text.split("\nresource \"vault_generic_endpoint\"").skip(1).collect();
    assert!(blocks.len() >= 3);
    let mut compared = 0;
    for block in blocks {
        let path = path.captures(block).unwrap()[1].replace("${var.org}", &stage.alpha.id);
        let mut written = fields(block, &variable);
        if path.starts_with("config/") {
            // The one field that the reader's own Astra does not need.
            written.insert("url".to_owned(), json!(stage.astra.url()));
        }
        for _ in 0..2 {
            assert!(stage.write(&path, Value::Object(written.clone())).status < 300, "{path}");
            let read = stage.read(&path, Value::Null).expect(200);
            for (name, value) in written.iter().filter(|(name, _)| *name != "astra_token") {
                compared += 1;
                assert_eq!(&read.data[name], value, "{path}: `{name}` is a change in each plan");
            }
            assert_eq!(read.data["astra_token"], Value::Null);
        }
    }
    assert!(compared > 10);
    // `data "vault_generic_secret"` returns texts: the output uses a text field.
    let data = Regex::new(r#"path\s+= "astra/(static-creds/.+)""#).unwrap();
    let creds = data.captures(&text).unwrap()[1].replace("${var.org}", &stage.alpha.id);
    let token = stage.read(&creds, Value::Null).expect(200);
    assert!(text.contains(r#".data["token"]"#) && stage.works(token.text("token")));
    stage.delete(&format!("static-roles/{}/billing", stage.alpha.id), Value::Null);
    stage.finish();
}
