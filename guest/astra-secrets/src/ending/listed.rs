//! What a complete list of an organization's tokens said, kept for a short while, so that a flood of revocations of
//! tokens that are gone reads the list a few times only.
//!
//! The entry `listed-tokens/<organization>/<hash of the URL>` holds the time of the list and a Bloom filter of the
//! listed client IDs: it says of a token either "not listed" for certain, or "perhaps listed", and then the list is read.
//! It holds no client ID and no secret. It is used for [`LISTED_TOKENS_USED_FOR`], and forgotten when nothing is left of
//! the organization.

use std::time::Duration;

use secrets_framework::host::{StorageEntry, StorageError};
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::client::AstraClient;
use crate::events::{self, Event};
use crate::limits::{LISTED_TOKENS_FILTER_BYTES_MAX, LISTED_TOKENS_MAX, LISTED_TOKENS_USED_FOR, RETIRED_CONFIGS_MAX};
use crate::names::{ClientId, OrgId};
use crate::storage::key::LISTED_TOKENS_PREFIX;
use crate::storage::keys_below;

/// Bits for each listed token, where there is room: one unlisted token in some 2,000 looks listed then.
const BITS_PER_TOKEN: usize = 16;

/// Bytes of the smallest filter.
const FILTER_BYTES_MIN: usize = 64;

/// Changes with the hash and the layout: a filter that was written otherwise says nothing.
const FORMAT: u32 = 1;

/// The first line of the entry; the filter follows.
#[derive(Deserialize, Serialize)]
struct Head {
    format: u32,
    /// When the list was asked for, in seconds since 1970-01-01T00:00:00Z.
    asked_at: u64,
    /// How many bits stand for one token.
    hashes: u32,
}

/// The token that is looked for.
pub(super) struct Lookup<'a> {
    pub(super) client_id: &'a ClientId,
    /// When it was made, where that is known.
    pub(super) made: Option<Duration>,
    /// Did Astra just refuse its deletion, as it does for a token that it does not know?
    pub(super) is_unknown: bool,
}

/// What the last complete list said.
pub(super) struct Listed {
    asked_at: Duration,
    filter: Filter,
}

impl Listed {
    /// What is kept of the list of the client's organization and URL. What cannot be read is as if it were not there.
    pub(super) fn load(context: &Context<'_>, client: &AstraClient<'_>) -> Option<Self> {
        let entry = match context.storage().get(&key(client)) {
            Ok(entry) => entry?,
            Err(error) => {
                log(context, client, &events::LISTED_NOT_READ, &error);
                return None;
            }
        };
        let listed = Self::decode(&entry.value)?;
        let now = context.now();
        // A clock that went back says nothing of an age.
        let is_fresh = listed.asked_at <= now && now <= listed.asked_at + LISTED_TOKENS_USED_FOR;
        is_fresh.then_some(listed)
    }

    /// Did that list lack a token that was there to be listed?
    pub(super) fn lacks(&self, context: &Context<'_>, lookup: &Lookup<'_>) -> bool {
        let Some(made) = lookup.made else { return false };
        // Astra's list may trail behind its mints. Where Astra itself, at the URL of that list, just now knew no such
        // token, the list need only be younger than the token; both times are whole seconds.
        let is_due = match lookup.is_unknown {
            true => made < self.asked_at,
            false => made + context.host.system_view().wal_minimum_age() <= self.asked_at,
        };
        is_due && !self.filter.may_hold(hash(lookup.client_id))
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let end = value.iter().position(|byte| *byte == b'\n')?;
        let (head, bits) = value.split_at(end);
        let head: Head = serde_json::from_slice(head).ok()?;
        let bits = bits.get(1..).filter(|bits| !bits.is_empty())?;
        let filter = Filter { hashes: head.hashes, bits: bits.to_vec() };
        (head.format == FORMAT && head.hashes > 0)
            .then_some(Self { asked_at: Duration::from_secs(head.asked_at), filter })
    }
}

/// Takes a list down while it is read.
pub(super) struct TakenDown {
    asked_at: Duration,
    hashes: Vec<u64>,
    /// Did the list show the token that asked for it? Else it is not whole.
    shows_asker: bool,
}

impl TakenDown {
    /// To be called before the list is asked for.
    pub(super) fn begin(context: &Context<'_>) -> Self {
        Self { asked_at: context.now(), hashes: Vec::new(), shows_asker: false }
    }

    /// Notes a listed token.
    pub(super) fn note(&mut self, client: &AstraClient<'_>, client_id: &ClientId) {
        self.shows_asker |= client.asks_with(client_id);
        // One more than is kept, which tells that there were too many.
        if self.hashes.len() <= LISTED_TOKENS_MAX {
            self.hashes.push(hash(client_id));
        }
    }

    /// Does it prove that a token is gone which it does not show? Where Astra itself just now knew no such token, yes.
    /// Else the deletion may have failed, and the list must be whole and old enough to show the token.
    pub(super) fn proves(&self, context: &Context<'_>, lookup: &Lookup<'_>) -> bool {
        let young = context.host.system_view().wal_minimum_age();
        let is_due = lookup.made.is_none_or(|made| made + young <= self.asked_at);
        lookup.is_unknown || (self.shows_asker && is_due)
    }

    /// Keeps what the complete list said. The next revocation reads the list again where that fails.
    pub(super) fn keep(self, context: &Context<'_>, client: &AstraClient<'_>) {
        if !self.shows_asker || self.hashes.len() > LISTED_TOKENS_MAX {
            return;
        }
        let filter = Filter::of(&self.hashes);
        let head = Head { format: FORMAT, asked_at: self.asked_at.as_secs(), hashes: filter.hashes };
        let Ok(mut value) = serde_json::to_vec(&head) else { return };
        value.push(b'\n');
        value.extend_from_slice(&filter.bits);
        let entry = StorageEntry { key: key(client), value, seal_wrap: false };
        if let Err(error) = context.storage().put(entry) {
            log(context, client, &events::LISTED_NOT_KEPT, &error);
        }
    }
}

/// Forgets what was kept of the lists of an organization.
pub(super) fn forget(context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
    let storage = context.storage();
    let below = format!("{LISTED_TOKENS_PREFIX}{org_id}/");
    // One for each URL: the config's, and those of retired ones.
    for name in keys_below(storage, &below, "", RETIRED_CONFIGS_MAX + 1)? {
        storage.delete(&format!("{below}{name}"))?;
    }
    Ok(())
}

pub(super) fn key(client: &AstraClient<'_>) -> String {
    let url = &client.config().url;
    let digest = Sha256::digest(format!("{}{}", url.origin(), url.base_path()));
    let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{LISTED_TOKENS_PREFIX}{}/{name}", client.org_id())
}

fn log(context: &Context<'_>, client: &AstraClient<'_>, event: &Event, error: &StorageError) {
    let fields = [("org", client.org_id().as_str()), ("error", &error.to_string())];
    event.log(context, &fields);
}

/// 64 bits of a hash that never changes, as a filter outlives the instance and the build that wrote it.
fn hash(client_id: &str) -> u64 {
    let digest = Sha256::digest(client_id.as_bytes());
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// A Bloom filter: no listed token looks unlisted, and few unlisted ones look listed.
struct Filter {
    hashes: u32,
    bits: Vec<u8>,
}

impl Filter {
    fn of(hashes: &[u64]) -> Self {
        let bytes = hashes.len().saturating_mul(BITS_PER_TOKEN).div_ceil(8);
        let bytes = bytes.clamp(FILTER_BYTES_MIN, LISTED_TOKENS_FILTER_BYTES_MAX);
        // The number of bits for each token that lets the fewest look listed: ln 2 of the bits that there are for it.
        let best = (bytes * 8 * 69 / 100).checked_div(hashes.len()).unwrap_or(1).clamp(1, 11);
        let mut filter = Self { hashes: u32::try_from(best).unwrap_or(1), bits: vec![0; bytes] };
        for hash in hashes {
            for (byte, mask) in filter.places(*hash) {
                if let Some(byte) = filter.bits.get_mut(byte) {
                    *byte |= mask;
                }
            }
        }
        filter
    }

    fn may_hold(&self, hash: u64) -> bool {
        self.places(hash).all(|(byte, mask)| self.bits.get(byte).is_some_and(|byte| byte & mask != 0))
    }

    /// The bits that stand for a token: byte and mask, by double hashing.
    fn places(&self, hash: u64) -> impl Iterator<Item = (usize, u8)> + use<> {
        let bits = self.bits.len() as u64 * 8;
        let (start, step) = (hash >> 32, hash & 0xffff_ffff | 1);
        (0..u64::from(self.hashes)).map(move |index| {
            let bit = start.wrapping_add(index.wrapping_mul(step)) % bits;
            (usize::try_from(bit / 8).unwrap_or(usize::MAX), 1 << (bit % 8))
        })
    }
}

#[cfg(test)]
mod tests;
