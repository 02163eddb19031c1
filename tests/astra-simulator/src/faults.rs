//! The fault rules in force: which of them a call meets, and what they add up to.

use crate::bucket::Bucket;
use crate::change::OutsideChange;
use crate::clock::Timestamp;
use crate::fault::{Action, Effect, FaultBody, FaultRule, When};
use crate::limits::{FAULT_RULES_MAX, HANG_MS_MAX};
use crate::random::Random;

/// What a rule may pick a call by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallFacts<'call> {
    pub(crate) method: &'call str,
    pub(crate) path: &'call str,
    pub(crate) organization: Option<&'call str>,
    pub(crate) client_id: Option<&'call str>,
}

/// What the rules make of one call.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Indices of the rules applied.
    pub(crate) applied: Vec<usize>,
    pub(crate) outside: Vec<OutsideChange>,
    pub(crate) delay_ms: u64,
    pub(crate) drip_ms: Option<u64>,
    pub(crate) close_idle_ms: Option<u64>,
    /// The one fault that decides about the answer.
    pub(crate) decisive: Option<Action>,
}

impl Plan {
    /// Whether the call takes effect.
    pub(crate) fn is_done(&self) -> bool {
        match &self.decisive {
            None | Some(Action::Damage { .. }) => true,
            Some(
                Action::Status { effect, .. }
                | Action::Reset { effect, .. }
                | Action::Hang { effect }
                | Action::HalfClose { effect },
            ) => *effect == Effect::Done,
            Some(_) => false,
        }
    }

    fn add(&mut self, action: &Action, random: &mut Random) {
        match action {
            Action::Outside { change } => self.outside.push(change.clone()),
            Action::Delay { from_ms, to_ms } => {
                let drawn = draw(random, *from_ms, *to_ms);
                self.delay_ms = self.delay_ms.saturating_add(drawn).min(HANG_MS_MAX);
            }
            Action::Drip { interval_ms } => self.drip_ms = Some((*interval_ms).min(HANG_MS_MAX)),
            Action::CloseIdle { after_ms } => {
                self.close_idle_ms = Some((*after_ms).min(HANG_MS_MAX));
            }
            decisive => self.decisive = Some(decisive.clone()),
        }
    }
}

/// A number between two, both possible.
pub(crate) fn draw(random: &mut Random, from: u64, to: u64) -> u64 {
    let span = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
    from.saturating_add(u64::try_from(random.below(span.saturating_add(1))).unwrap_or(0))
}

/// The rules in the order they were added.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    rule: FaultRule,
    matched: u64,
    hits: u64,
    bucket: Option<Bucket>,
}

/// One rule more than there may be.
#[derive(Debug, thiserror::Error)]
#[error("there are already {FAULT_RULES_MAX} fault rules; clear them first")]
pub(crate) struct TooManyRules;

impl Faults {
    pub(crate) fn add(&mut self, rule: FaultRule) -> Result<(), TooManyRules> {
        if self.rules.len() >= FAULT_RULES_MAX {
            return Err(TooManyRules);
        }
        self.rules.push(Rule { rule, matched: 0, hits: 0, bucket: None });
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn hits(&self) -> Vec<u64> {
        self.rules.iter().map(|rule| rule.hits).collect()
    }

    pub(crate) fn plan(&mut self, call: CallFacts<'_>, random: &mut Random, now: Timestamp) -> Plan {
        let mut plan = Plan::default();
        for (index, rule) in self.rules.iter_mut().enumerate() {
            if !rule.picks(call, random) {
                continue;
            }
            let Some(action) = rule.action(now) else { continue };
            if plan.decisive.is_some() && is_decisive(&action) {
                continue;
            }
            rule.hits += 1;
            plan.applied.push(index);
            plan.add(&action, random);
        }
        plan
    }
}

impl Rule {
    fn picks(&mut self, call: CallFacts<'_>, random: &mut Random) -> bool {
        let when = &self.rule.when;
        if !when.names(call) {
            return false;
        }
        self.matched += 1;
        when.calls.as_ref().is_none_or(|calls| calls.contains(&self.matched))
            && when.chance.is_none_or(|chance| random.chance(chance))
    }

    /// What happens; nothing when a rate limit still has room.
    fn action(&mut self, now: Timestamp) -> Option<Action> {
        let Action::RateLimit { per_second, burst, retry_after } = &self.rule.then else {
            return Some(self.rule.then.clone());
        };
        let bucket = self.bucket.get_or_insert(Bucket::full(*burst, now));
        if bucket.take(*per_second, *burst, now) {
            return None;
        }
        Some(Action::Status {
            status: 429,
            body: FaultBody::Errors,
            retry_after: retry_after.clone(),
            effect: Effect::NotDone,
        })
    }
}

impl When {
    fn names(&self, call: CallFacts<'_>) -> bool {
        let same =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| Some(wanted) == found);
        same(&self.method, Some(call.method))
            && same(&self.organization, call.organization)
            && same(&self.client_id, call.client_id)
            && self.path.as_deref().is_none_or(|pattern| glob(pattern, call.path))
    }
}

fn is_decisive(action: &Action) -> bool {
    !matches!(action, Action::Outside { .. } | Action::Delay { .. } | Action::Drip { .. } | Action::CloseIdle { .. })
}

/// Whether `text` is `pattern`, where `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(tail) = text.strip_prefix(head) else { return false };
    (0..=tail.len()).filter_map(|start| tail.get(start..)).any(|candidate| glob(rest, candidate))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const CALL: CallFacts<'_> =
        CallFacts { method: "POST", path: "/v2/clientIdSecrets", organization: Some("o"), client_id: Some("c") };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::parse("1970-01-01T00:00:00Z").unwrap().plus(std::time::Duration::from_secs(seconds.unsigned_abs()))
    }

    fn hang() -> Action {
        Action::Hang { effect: Effect::Done }
    }

    fn hit(faults: &mut Faults, call: CallFacts<'_>) -> bool {
        faults.plan(call, &mut Random::new(1), at(0)).decisive.is_some()
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        assert!(glob("/v2/*", "/v2/currentOrg"));
        assert!(glob("*Secrets", "/v2/clientIdSecrets"));
        assert!(glob("/v2/*/roles*", "/v2/organizations/roles"));
        assert!(!glob("/v2/*/roles", "/v2/organizations/roles/1"));
        assert!(!glob("/v2", "/v2/currentOrg"));
    }

    #[test]
    fn each_condition_narrows() {
        let rows = [
            (FaultRule::new(hang()).method("POST"), true),
            (FaultRule::new(hang()).method("GET"), false),
            (FaultRule::new(hang()).path("/v2/client*"), true),
            (FaultRule::new(hang()).path("/v2/tokens"), false),
            (FaultRule::new(hang()).organization("o"), true),
            (FaultRule::new(hang()).organization("p"), false),
            (FaultRule::new(hang()).client_id("c"), true),
            (FaultRule::new(hang()).client_id("C"), false),
            (FaultRule::new(hang()).chance(0.0), false),
            (FaultRule::new(hang()).chance(1.0), true),
        ];
        for (rule, expected) in rows {
            let mut faults = Faults::default();
            faults.add(rule.clone()).unwrap();
            assert_eq!(hit(&mut faults, CALL), expected, "{rule:?}");
        }
    }

    #[test]
    fn calls_are_counted_among_those_that_match() {
        let mut faults = Faults::default();
        faults.add(FaultRule::new(hang()).method("POST").calls(&[2, 3])).unwrap();
        let other = CallFacts { method: "GET", ..CALL };
        let hits: Vec<bool> = [CALL, other, CALL, CALL, CALL].map(|call| hit(&mut faults, call)).to_vec();
        assert_eq!(hits, [false, false, true, true, false]);
        assert_eq!(faults.hits(), [2]);
    }

    #[test]
    fn delays_add_up_and_the_first_decisive_rule_wins() {
        let mut faults = Faults::default();
        let delay = Action::Delay { from_ms: 5, to_ms: 5 };
        for action in [delay.clone(), hang(), delay] {
            faults.add(FaultRule::new(action)).unwrap();
        }
        let reset = Action::HalfClose { effect: Effect::NotDone };
        faults.add(FaultRule::new(reset)).unwrap();
        let plan = faults.plan(CALL, &mut Random::new(1), at(0));
        assert_eq!((plan.delay_ms, plan.decisive.clone()), (10, Some(hang())));
        assert_eq!(plan.applied, [0, 1, 2]);
        assert!(plan.is_done());
    }

    #[test]
    fn a_bucket_fills_with_the_simulators_time() {
        let mut faults = Faults::default();
        let limit = Action::RateLimit { per_second: 0.5, burst: 2.0, retry_after: None };
        faults.add(FaultRule::new(limit)).unwrap();
        let mut limited = |seconds| faults.plan(CALL, &mut Random::new(1), at(seconds)).decisive.is_some();
        let seen = [0, 0, 0, 1, 2, 2, 100, 100, 100].map(&mut limited);
        assert_eq!(seen, [false, false, true, true, false, true, false, false, true]);
    }

    #[test]
    fn rules_are_bounded() {
        let mut faults = Faults::default();
        for _ in 0..FAULT_RULES_MAX {
            faults.add(FaultRule::new(hang())).unwrap();
        }
        assert!(faults.add(FaultRule::new(hang())).is_err());
    }

    #[test]
    fn waits_are_bounded() {
        let mut plan = Plan::default();
        let mut random = Random::new(1);
        for action in [
            Action::Delay { from_ms: u64::MAX, to_ms: u64::MAX },
            Action::Drip { interval_ms: u64::MAX },
            Action::CloseIdle { after_ms: u64::MAX },
        ] {
            plan.add(&action, &mut random);
        }
        let bound = Some(HANG_MS_MAX);
        assert_eq!((Some(plan.delay_ms), plan.drip_ms, plan.close_idle_ms), (bound, bound, bound));
    }
}
