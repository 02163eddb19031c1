//! Finds secrets in text that should hold none: logs, errors, lists, storage dumps. Works from
//! digests, since the simulator keeps no secret.

use crate::state::World;
use crate::token::{HEX_LENGTH, SECRET_ALPHABET, SECRET_LENGTH, SECRET_PREFIX, sha256};

/// Client IDs of the tokens whose secret part stands in `text`; `unknown` for a secret by itself,
/// which does not tell whose it is.
pub(crate) fn scan(world: &World, text: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for window in hex_windows(text) {
        if let Some(client_id) = world.client_id_of(&sha256(window)) {
            found.push(client_id.to_owned());
        }
    }
    if text.windows(SECRET_PREFIX.len()).any(|window| window == SECRET_PREFIX.as_bytes()) {
        found.push("unknown".to_owned());
    }
    if world.has_planted_secrets() {
        let windows = secret_windows(text).map(sha256);
        found.extend(windows.filter_map(|digest| world.client_id_of_planted(&digest).map(str::to_owned)));
    }
    found.sort();
    found.dedup();
    found
}

/// Each place where as many characters stand in a row as a secret has.
fn secret_windows(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let runs = text.split(|byte| !SECRET_ALPHABET.contains(byte)).filter(|run| run.len() >= SECRET_LENGTH);
    runs.flat_map(|run| run.windows(SECRET_LENGTH))
}

/// Each place where 64 lower hex digits stand in a row.
fn hex_windows(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    text.split(move |byte| !hex(byte)).filter(|run| run.len() >= HEX_LENGTH).flat_map(|run| run.windows(HEX_LENGTH))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::settings::Settings;
    use crate::token::{Credential, PlantedToken};

    #[test]
    fn a_planted_token_is_found_by_its_secret_part_and_by_its_secret() {
        let (mut world, founded) = World::new(&Settings::default());
        let credential = Credential {
            client_id: "PlantedPlantedPlantedPla".to_owned(),
            secret: "s.e,c_r+e-t8".repeat(11)[..SECRET_LENGTH].to_owned(),
            token: format!("AstraCS:PlantedPlantedPlantedPla:{}", "ab".repeat(32)),
        };
        let text = format!("\"secret\":\"{}\"", credential.secret);
        assert!(scan(&world, text.as_bytes()).is_empty());
        let planted = PlantedToken {
            credential: credential.clone(),
            roles: Vec::new(),
            description: String::new(),
            generated_on: String::new(),
        };
        let made = world.clock.now();
        assert!(world.plant_token(&founded.first().unwrap().id, &planted, made));
        for text in [text.as_str(), &credential.token] {
            assert_eq!(scan(&world, text.as_bytes()), [credential.client_id.as_str()], "{text}");
        }
        let cut = &credential.secret[1..];
        assert!(scan(&world, cut.as_bytes()).is_empty());
        assert!(!world.plant_token("no such organization", &planted, made));
    }

    #[test]
    fn a_token_is_found_whole_or_by_its_secret_part() {
        let (world, founded) = World::new(&Settings::default());
        let bootstrap = &founded.first().unwrap().bootstrap;
        let (_, secret_part) = bootstrap.token.rsplit_once(':').unwrap();
        let hidden = format!("0{secret_part}f and more");
        for text in [bootstrap.token.as_str(), secret_part, hidden.as_str()] {
            assert_eq!(scan(&world, text.as_bytes()), [bootstrap.client_id.as_str()], "{text}");
        }
        assert_eq!(scan(&world, bootstrap.secret.as_bytes()), ["unknown"]);
        let harmless = format!("{}:redacted {}", bootstrap.client_id, "a".repeat(64));
        assert!(scan(&world, harmless.as_bytes()).is_empty());
    }
}
