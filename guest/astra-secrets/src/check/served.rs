//! Has Astra still every token that the mount serves?

use secrets_framework::{Context, Error};

use super::upstream::Answers;
use super::{Item, named};
use crate::config::OrgConfig;
use crate::held_tokens::{HeldTokens, Verdict, judge};
use crate::limits::{CHECK_PROOF_BUDGET, CHECK_REQUEST_TIMEOUT, HELD_PROOFS_MAX};

/// Names the static roles whose token has ended in Astra; `held` was compared with the list of `answers`.
pub(super) fn served_tokens(
    context: &Context<'_>,
    config: &OrgConfig,
    held: &HeldTokens,
    answers: &Answers<'_>,
) -> Result<Item, Error> {
    let org_id = &config.org_id;
    let count = held.count();
    if count == 0 {
        return Ok(Item::yes("The mount serves no token of a static role."));
    }
    if let Some(fault) = answers.list_fault() {
        return Ok(Item::unknown(format!("Whether the tokens of the static roles live is not known: {fault}.")));
    }
    let until = context.now() + CHECK_PROOF_BUDGET;
    let timeout = config.request_timeout().min(CHECK_REQUEST_TIMEOUT);
    let (mut dead, mut unknown, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for (number, missing) in held.missing().enumerate() {
        let verdict = if number >= HELD_PROOFS_MAX || context.now() > until {
            Verdict::Unknown("a limit of one check was met: check again later".to_owned())
        } else {
            judge(context, config, missing, timeout)?
        };
        match verdict {
            Verdict::Dead => dead.push(missing.name.to_string()),
            Verdict::Unknown(reason) => {
                unknown.push(missing.name.to_string());
                reasons.push(reason);
            }
            Verdict::NotDead => {}
        }
    }
    if let Some(dead) = named("The token has ended in Astra of the static roles", dead) {
        return Ok(Item::no(format!(
            "{dead}: rollback replaces each within the hour; to do it at once, write \
             `rotate-role/{org_id}/<name>` for each."
        )));
    }
    if let (Some(unknown), Some(reason)) =
        (named("Astra does not list the tokens of the static roles", unknown), reasons.first())
    {
        return Ok(Item::unknown(format!("{unknown}, and whether they live was not found out: {reason}.")));
    }
    Ok(Item::yes(format!("Astra has the tokens of the {count} static roles that were looked at.")))
}
