//! The order in which the task receives messages.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn reload() -> (Message, Waiting<Result<(), CallError>>) {
    let (reply, waiting) = Reply::new();
    (Message::Reload(reply), waiting)
}

fn revert() -> (Message, Waiting<Result<Done, CallError>>) {
    let (reply, waiting) = Reply::new();
    (Message::Revert(Revert::Operator { unreadable: UnreadableStorage::Refuse, reply }), waiting)
}

#[test]
fn a_revert_is_received_first_and_the_changes_that_wait_are_refused() {
    let mailbox = Mailbox::new();
    let (before, mut refused) = reload();
    let (message, _waiting) = revert();
    let (after, _later) = reload();
    for message in [before, message, after] {
        mailbox.send(message);
    }
    let error = refused.outcome.try_recv().unwrap().unwrap_err().to_string();
    assert!(error.contains("a revert is in progress on this mount"), "{error}");
    assert!(matches!(mailbox.take(), Some(Message::Revert(_))));
    assert!(matches!(mailbox.take(), Some(Message::Reload(_))));
    assert!(mailbox.take().is_none());
}

#[tokio::test]
async fn a_running_step_gives_way_to_a_revert_and_not_to_one_that_was_withdrawn() {
    let mailbox = Mailbox::new();
    let (message, waiting) = revert();
    mailbox.send(message);
    assert!(mailbox.unless_revert_pending(std::future::pending::<()>()).await.is_err());
    drop(waiting);
    assert!(!mailbox.has_revert());
    assert_eq!(mailbox.unless_revert_pending(async { 7 }).await, Ok(7));
}

#[test]
fn requests_to_reconcile_wait_for_the_first_pass_and_are_merged_until_a_pass_begins() {
    let mailbox = Mailbox::new();
    mailbox.send(Message::Reconcile);
    assert!(mailbox.take().is_none(), "the first request causes the first pass");
    mailbox.begin_pass();
    mailbox.set_started();
    assert!(mailbox.take().is_none(), "the pass has seen the change");
    mailbox.send(Message::Reconcile);
    mailbox.send(Message::Reconcile);
    assert!(matches!(mailbox.take(), Some(Message::Reconcile)));
    mailbox.begin_pass();
    assert!(mailbox.take().is_none());
}

#[test]
fn a_closed_mailbox_stays_closed_and_causes_no_pass() {
    let mailbox = Mailbox::new();
    mailbox.close();
    mailbox.set_started();
    mailbox.send(Message::Reconcile);
    assert_eq!(mailbox.lifecycle(), Lifecycle::Closed);
    assert!(mailbox.take().is_none());
}
