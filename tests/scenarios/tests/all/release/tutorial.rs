//! The tutorial, typed as on its page.

use std::fs;
use std::process::Command;

use harness::openbao::ClientProgram;
use harness::{openbao_binary, workspace_root};

use super::made::Release;
use crate::own_server::wait_for;

/// The commands of the page, block by block.
fn blocks(page: &str) -> Vec<String> {
    let fenced = page.split("```").skip(1).step_by(2);
    fenced.map(|block| block.strip_prefix("sh\n").unwrap().replace("\n   ", "\n")).collect()
}

#[test]
fn the_tutorial_leads_to_a_token_and_to_its_end() {
    let folder = Release::made().unpacked("-demo");
    let mut demo = ClientProgram::new();
    let arguments = ["-c", "BAO_BIN=$0 exec \"$1/demo\" dev"].map(str::to_owned);
    let places = [openbao_binary(), folder.path().to_owned()].map(|path| path.display().to_string());
    demo.start("bash".as_ref(), &[arguments, places].concat());
    wait_for(&demo, "the set-up of the demo", || demo.output().contains("Ctrl-C stops it"));
    let printed = demo.output();
    let exports: Vec<&str> = printed.lines().map(str::trim).filter(|line| line.starts_with("export ")).collect();
    assert_eq!(exports.len(), 2, "{printed}");
    let organization = printed.lines().find_map(|line| line.strip_prefix("ORG=")).unwrap();

    let page = fs::read_to_string(workspace_root().join("docs/tutorial.md")).unwrap();
    let blocks = blocks(&page);
    assert!(blocks[0].contains("demo dev") && blocks.len() == 4, "{blocks:#?}");
    let value = |key: &str| format!("awk '$1 == \"{key}\" {{ print $2 }}' answer");
    let script = [
        "set -euo pipefail".to_owned(),
        format!("bao() {{ '{}' \"$@\"; }}", openbao_binary().display()),
        exports.join("\n"),
        blocks[1].clone(),
        format!("{{ {}}} | tee answer", blocks[2]),
        format!("lease=$({}) client=$({})", value("lease_id"), value("clientId")),
        blocks[3].replace("CLIENT_ID", "$client").replace("LEASE_ID", "$lease"),
    ];
    let script = script.join("\n").replace("ORG_ID", organization);
    let done = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    for expected in [format!("{organization}/r_w_user"), "AstraCS:".to_owned(), "Success! Revoked lease".to_owned()] {
        assert!(told.contains(&expected), "{expected}: {told}");
    }
}
