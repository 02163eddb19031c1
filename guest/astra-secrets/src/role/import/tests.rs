use proptest::prelude::*;

use super::*;
use crate::names::is_name;

fn up(name: &str, id: &str) -> Upstream {
    Upstream { name: name.to_owned(), id: AstraRoleId::stored(id) }
}

fn role(name: &str, id: &str, imported: bool) -> (RoleName, Role) {
    let name = RoleName::stored(name);
    let role = Role::new(OrgId::stored("o"), name.clone());
    (name, Role { role_ids: vec![AstraRoleId::stored(id)], imported, ..role })
}

fn plan_of(upstream: &[Upstream], stored: &[(RoleName, Role)], prune: bool) -> Plan {
    let stored = stored.iter().cloned().collect();
    let wishes = Wishes { ttl: Duration::from_secs(60), max_ttl: Duration::from_secs(120), prune };
    plan(&OrgId::stored("o"), upstream.to_vec(), &stored, wishes, |id| id.as_str() != "forbidden")
}

fn names(roles: &[Role]) -> Vec<&str> {
    roles.iter().map(|role| role.name.as_str()).collect()
}

#[test]
fn names_are_folded() {
    for (upstream, name) in [
        ("Organization Administrator", "organization_administrator"),
        ("R/W User", "r_w_user"),
        ("API R/W  Svc Acct", "api_r_w_svc_acct"),
        ("apiRole", "apirole"),
        ("Ünïcode-2", "_n_code_2"),
        ("a__b--c", "a_b_c"),
        ("!?", "7f_3"),
        ("", "7f_3"),
        ("管理者", "7f_3"),
    ] {
        assert_eq!(imported_name(&up(upstream, "7F-3")), name);
    }
}

proptest! {
    #[test]
    fn a_folded_name_is_a_name(upstream in "\\PC{1,40}") {
        let name = imported_name(&up(&upstream, "7F-3"));
        prop_assert!(is_name(&name) && !name.contains("__"), "{}", name);
        prop_assert_eq!(imported_name(&up(&name, "1")), name);
    }

    #[test]
    fn the_order_of_astras_list_does_not_matter(order in Just(vec![0, 1, 2, 3]).prop_shuffle()) {
        let roles = [up("R W", "1"), up("r/w", "2"), up("R-W", "3"), up("other", "4")];
        let shuffled: Vec<_> = order.iter().map(|&at| roles[at].clone()).collect();
        let plan = plan_of(&shuffled, &[], false);
        prop_assert_eq!(names(&plan.created), ["other", "r_w"]);
        prop_assert_eq!(plan.created[1].role_ids[0].as_str(), "1");
        prop_assert_eq!(plan.skipped.len(), 2);
    }
}

#[test]
fn a_new_role_has_the_wished_times_and_is_marked() {
    let plan = plan_of(&[up("Reader", "1")], &[], false);
    let [role] = plan.created.as_slice() else { panic!("one role") };
    assert!(role.imported);
    assert_eq!((role.ttl.as_secs(), role.max_ttl.as_secs()), (60, 120));
}

#[test]
fn of_two_with_one_name_the_second_is_skipped_and_the_known_one_kept() {
    let both = [up("A B", "1"), up("a-b", "2")];
    let new = plan_of(&both, &[], false);
    assert_eq!(new.created[0].role_ids[0].as_str(), "1");
    assert_eq!(new.skipped[0].upstream, up("a-b", "2"));
    assert_eq!(new.skipped[0].reason, "`a_b` is already the name of `A B`");
    let known = plan_of(&both, &[role("a_b", "2", true)], false);
    assert_eq!(known.unchanged.len(), 1);
    assert_eq!(known.skipped[0].upstream, up("A B", "1"), "a role does not change hands");
}

#[test]
fn imported_roles_follow_astra_and_hand_written_ones_stay() {
    let stored =
        [role("same", "1", true), role("moved", "2", true), role("mine", "3", false), role("mine_too", "4", false)];
    let upstream = [up("same", "1"), up("moved", "22"), up("mine", "33"), up("mine too", "4")];
    let plan = plan_of(&upstream, &stored, true);
    assert_eq!(plan.unchanged, ["mine_too", "same"].map(RoleName::stored));
    assert_eq!(names(&plan.updated), ["moved"]);
    assert_eq!(plan.updated[0].role_ids[0].as_str(), "22");
    assert_eq!(plan.updated[0].ttl, Duration::ZERO, "only new roles get the wished times");
    assert_eq!(plan.skipped.len(), 1);
    assert!(plan.skipped[0].reason.contains("by hand"));
    assert!(plan.removed.is_empty() && plan.created.is_empty());
}

#[test]
fn prune_removes_imported_roles_whose_astra_role_has_gone_and_no_others() {
    let stored = [role("gone", "1", true), role("renamed", "2", true), role("mine", "3", false)];
    let upstream = [up("new name", "2")];
    assert_eq!(plan_of(&upstream, &stored, false).removed, []);
    let pruned = plan_of(&upstream, &stored, true);
    assert_eq!(pruned.removed, [RoleName::stored("gone")]);
    assert_eq!(names(&pruned.created), ["new_name"]);
}

#[test]
fn what_cannot_or_may_not_be_imported_is_skipped() {
    let long = "x".repeat(129);
    let plan = plan_of(&[up("Admin", "forbidden"), up("bad", "a b"), up(&long, "1")], &[], false);
    assert!(plan.created.is_empty());
    let reasons: Vec<_> = plan.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "it is not among the organization's `allowed_role_ids`",
            "its ID is not one that a role could have",
            "its name is empty or too long"
        ]
    );
}
