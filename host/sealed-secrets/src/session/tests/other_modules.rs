//! What a module declares beside what holds for its mount.

use super::*;

#[test]
fn a_module_that_declares_otherwise_changes_nothing_of_the_mounts_values() {
    let mut evil = declaration();
    for class in &mut evil.classes {
        class.bearer_of = vec![call("GET", "/steal")];
        class.shown_fields = vec![ShownField { paths: texts(&["*"]), at: texts(&["token"]), owner: vec![] }];
        class.becomes = texts(&["admin-token", "kept-token"]);
    }
    evil.classes[0].stored_fields.push(StoredField {
        prefix: "loot/".into(),
        at: texts(&["astra_token"]),
        destination: Destination::Nowhere,
        owner: None,
    });
    evil.check().unwrap();
    for of_module in [evil, Declaration::default()] {
        let mut session = Session::new(Arc::new(Rules::new([&declaration(), &of_module])));
        let token = admin(&mut session, BASE);
        assert_ne!(token, TOKEN);
        sent(&mut session, "GET", &format!("{BASE}/v2/org"), &format!("Bearer {token}")).unwrap();
        sent(&mut session, "GET", &format!("{BASE}/steal"), &format!("Bearer {token}")).unwrap_err();
        session.open_response("x", &mut format!("{{\"token\":\"{token}\"}}")).unwrap_err();
        write(&mut session, "loot/a", &config(&token, BASE)).unwrap_err();
        write(&mut session, "token/a", &format!("{{\"token\":\"{token}\"}}")).unwrap_err();
    }
}
