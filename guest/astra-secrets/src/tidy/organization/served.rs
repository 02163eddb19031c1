//! The tokens that static roles hold: what a tidy does about those that are
//! dead in Astra.

use std::time::Duration;

use secrets_framework::Error;

use super::super::result::OrgResult;
use super::{MORE, Organization, Source};
use crate::held_tokens::{HeldTokens, Missing, Verdict, judge, log_dead};
use crate::limits::{HELD_PROOFS_MAX, ROLLBACK_REQUEST_TIMEOUT};
use crate::static_role::{self, Soon};
use crate::static_rotation;

impl Organization<'_> {
    /// Replaces the tokens of static roles that are dead, or only tells of them.
    pub(super) fn replace_dead(
        &self,
        sources: &[Source<'_>],
        served: &HeldTokens,
        result: &mut OrgResult,
    ) -> Result<(), Error> {
        let mut proofs = 0;
        for missing in served.missing() {
            if proofs >= HELD_PROOFS_MAX || !self.bounds.is_early() {
                result.stop(MORE);
                return Ok(());
            }
            proofs += usize::from(!missing.is_known);
            match self.verdict(sources, missing)? {
                Verdict::Dead if self.dry_run => {
                    result.gone.push(missing.client_id.to_string());
                    result.tell(self.told(missing, "a tidy with `dry_run=false`, or rollback, replaces it"));
                }
                Verdict::Dead => match self.replace(missing) {
                    Ok(what) => result.tell(self.told(missing, &what)),
                    Err(error @ Error::Plain(_)) => return Err(error),
                    Err(error) => {
                        result.tell(self.told(missing, &format!("it could not be replaced yet: {error}")));
                    }
                },
                Verdict::Unknown(why) => result.tell(format!(
                    "Astra does not list the token `{}` of static role `{}` of organization `{}`, and whether it lives \
                     was not found out: {why}",
                    missing.client_id, missing.name, self.org_id
                )),
                Verdict::NotDead => {}
            }
        }
        Ok(())
    }

    /// What the source says that its token was made at; where none can say, nothing is known.
    fn verdict(&self, sources: &[Source<'_>], missing: Missing<'_>) -> Result<Verdict, Error> {
        if missing.is_known {
            return Ok(Verdict::Dead);
        }
        let mut verdict = Verdict::Unknown("no whole list was had".to_owned());
        for source in sources.iter().filter(|source| source.is_whole) {
            let timeout: Duration = source.config.request_timeout().min(ROLLBACK_REQUEST_TIMEOUT);
            verdict = judge(self.context, source.config, missing, timeout)?;
            if !matches!(verdict, Verdict::Unknown(_)) {
                log_dead(self.context, self.org_id, missing, &verdict);
                break;
            }
        }
        Ok(verdict)
    }

    /// Replaces the token at once, unless an attempt failed not long ago; answers what became of it.
    fn replace(&self, missing: Missing<'_>) -> Result<String, Error> {
        let (context, org_id, name) = (self.context, self.org_id, missing.name);
        let soon = static_role::replace_soon(context, org_id, name, missing.client_id)?;
        let Some(Soon { due, failed }) = soon else { return Ok("another has taken its place already".to_owned()) };
        if due.at > context.now().as_secs() {
            let failed = failed.unwrap_or_default();
            return Ok(format!("it could not be replaced, which rollback tries again: {failed}"));
        }
        static_rotation::run_due(context, org_id, name.as_str(), &due)?;
        Ok("another has taken its place".to_owned())
    }

    fn told(&self, missing: Missing<'_>, what: &str) -> String {
        let Missing { client_id, name, .. } = missing;
        format!(
            "the token `{client_id}` of static role `{name}` of organization `{}` has ended in Astra: {what}",
            self.org_id
        )
    }
}
