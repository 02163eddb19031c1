//! Asking Astra for one token: each attempt notes its intent and a mark of its
//! own first, and one that failed is settled before the next. What the token
//! is for, and where it is kept, is for the caller.

use secrets_framework::Context;
use secrets_framework::Error;
use secrets_framework::wal::WalId;

use super::Order;
use super::intent::{self, Intent};
use super::settle::{Settled, settle};
use super::start::MintStart;
use crate::client::{AstraClient, ClientError, CreatedToken, TokenRequest};
use crate::config::OrgConfig;
use crate::read_only;
use crate::record::RecordId;

/// The token to ask for.
pub(crate) struct MintRequest<'a> {
    /// The organization.
    pub(crate) config: &'a OrgConfig,
    /// Its Astra roles.
    pub(crate) role_ids: &'a [String],
    /// When Astra shall end it by itself, RFC 3339.
    pub(crate) expiry: Option<String>,
    /// Where its record will stand, if that is known before the token.
    pub(crate) record_id: Option<RecordId>,
    /// The order of a leased token, which takes a place among those that `max_tokens` allows; none for a token that is held.
    pub(crate) leased: Option<&'a Order<'a>>,
    /// Its description in Astra, which must end in the mark that it is given.
    pub(crate) description: &'a dyn Fn(&str) -> String,
}

/// A token that Astra made, and whose intent is still noted: whoever has it
/// stores it together with dropping the entry [`MintedToken::wal_id`], or undoes it.
pub(crate) struct MintedToken<'a> {
    /// What Astra answered.
    pub(crate) token: CreatedToken,
    /// The end that was asked for, RFC 3339.
    pub(crate) expiry_asked: Option<String>,
    /// What the caller is to be told.
    pub(crate) warnings: Vec<String>,
    pub(super) intent: Intent<'a>,
}

impl MintedToken<'_> {
    /// The mark that its description ends in.
    pub(crate) fn mark(&self) -> &str {
        &self.intent.mark
    }

    /// The write-ahead entry to drop once it is stored.
    pub(crate) fn wal_id(&self) -> &WalId {
        &self.intent.wal_id
    }
}

/// Why there is no token.
pub(crate) enum MintError {
    /// Astra did not make it.
    Upstream(ClientError),
    /// All else.
    Failed(Error),
}

/// As [`try_make`], for those who only pass a failure on.
pub(crate) fn make<'a>(
    context: &Context<'a>,
    client: &AstraClient<'_>,
    wanted: &MintRequest<'_>,
    start: Option<MintStart<'a>>,
) -> Result<MintedToken<'a>, Error> {
    try_make(context, client, wanted, start).map_err(|not_made| match not_made {
        MintError::Upstream(error) => client.failure(&error),
        MintError::Failed(failure) => failure,
    })
}

/// Asks Astra until there is a token, or a reason to stop. The first attempt notes its intent under `start`.
pub(crate) fn try_make<'a>(
    context: &Context<'a>,
    client: &AstraClient<'_>,
    wanted: &MintRequest<'_>,
    mut start: Option<MintStart<'a>>,
) -> Result<MintedToken<'a>, MintError> {
    // Before the entry is written that rollback would have to undo.
    let refused = || format!("no token was made for organization `{}`", client.org_id());
    read_only::check(context, refused).map_err(MintError::Failed)?;
    let mut warnings = Vec::new();
    let mut expiry = wanted.expiry.clone();
    let mut attempts = 0;
    // The write-ahead entry of an attempt that failed keeps the mint's place among those that `max_tokens` allows, until
    // the next attempt is noted.
    let mut failed: Option<(Intent<'a>, ClientError)> = None;
    loop {
        let noted = intent::note(context, wanted, start.take(), failed.is_some());
        if let Some((intent, error)) = failed.take().filter(|(_, error)| !error.may_have_acted()) {
            settle(context, client, &intent, &error);
        }
        let intent = noted.map_err(MintError::Failed)?;
        let description = (wanted.description)(&intent.mark);
        let request = TokenRequest { roles: wanted.role_ids, description: &description, expiry: expiry.as_deref() };
        let error = match client.create_token(&request) {
            Ok(token) => return Ok(MintedToken { token, expiry_asked: expiry, warnings, intent }),
            Err(error) => error,
        };
        let may_be_made =
            error.may_have_acted() && settle(context, client, &intent, &error) == Settled::MayHaveBeenMade;
        if matches!(error, ClientError::Rejected { status: 400, .. }) && expiry.take().is_some() {
            warnings.push(
                "Astra refused an expiry of the token, so it was made without one: only the end of its lease ends it"
                    .to_owned(),
            );
        } else {
            attempts += 1;
            let repeat = !may_be_made && error.is_passing();
            if !(repeat && client.pause_before_repeating(&error, attempts)) {
                if !error.may_have_acted() {
                    settle(context, client, &intent, &error);
                }
                return Err(MintError::Upstream(error));
            }
        }
        failed = Some((intent, error));
    }
}
