//! Keys and signature files in their stored form.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::signature::KeyError;

fn statement() -> Statement {
    Statement { id: ModuleId::new("astra", "1.2.3").unwrap(), digest: Digest::of(b"wasm") }
}

#[test]
fn a_signed_statement_names_engine_version_and_digest() {
    let expected = format!("secrets-engine module v1\nengine=astra\nversion=1.2.3\nsha256={}\n", Digest::of(b"wasm"));
    assert_eq!(statement().text(), expected);
}

#[test]
fn a_key_is_read_as_it_is_written() {
    let key = SigningKey::generate().unwrap();
    let pem = key.to_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    let read = SigningKey::from_pem(&pem).unwrap();
    assert_eq!(read.public_key(), key.public_key());
    assert_eq!(key.public_key().to_string().parse(), Ok(key.public_key()));
    assert!(key.public_key().verifies(&statement(), &read.sign(&statement())));
}

/// RFC 8410, section 10.3, as other tools write it.
#[test]
fn a_key_of_another_tool_is_read() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pem(pem).unwrap();
    assert_eq!(key.public_key().to_string(), "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
}

/// RFC 8410, section 10.1.
#[test]
fn a_public_key_of_another_tool_is_read_and_written() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let key = PublicKey::from_pem(pem).unwrap();
    assert_eq!(key.to_string(), "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
    assert_eq!(key.to_pem(), pem);
    let private = SigningKey::generate().unwrap();
    assert_eq!(PublicKey::from_pem(&private.to_pem().unwrap()), Ok(private.public_key()), "its public half");
    // X25519 in place of Ed25519, a byte too few, another label, nothing.
    let others = [
        pem.replace("K2VwAyEA", "K2VuAyEA"),
        pem.replace("ZuE=", "Zg=="),
        pem.replace("PUBLIC KEY", "CERTIFICATE"),
        String::new(),
    ];
    for other in others {
        assert_eq!(PublicKey::from_pem(&other), Err(KeyError::PublicFile), "{other}");
    }
}

#[test]
fn a_signature_of_another_tool_is_added_if_it_is_of_this_statement_and_key() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let mut file = SignatureFile::new(statement());
    let signature = key.sign(&statement());
    let foreign = file.add(other.public_key(), signature).unwrap_err();
    assert_eq!(foreign, SignatureFileError::Foreign(other.public_key(), Box::new(statement())));
    let of_other_bytes = key.sign(&Statement { digest: Digest::of(b"other"), ..statement() });
    assert!(file.add(key.public_key(), of_other_bytes).is_err());
    assert!(file.named_keys().is_empty());
    file.add(key.public_key(), signature).unwrap();
    assert_eq!(file.signers(&[key.public_key()]).len(), 1);
}

#[test]
fn a_private_key_is_not_shown() {
    let key = SigningKey::generate().unwrap();
    assert_eq!(format!("{key:?}"), format!("SigningKey(of {})", key.public_key()));
    let pem = key.to_pem().unwrap();
    let secret = pem.lines().nth(1).unwrap();
    let broken = pem.replace("PRIVATE", "PUBLIC");
    assert!(!SigningKey::from_pem(&broken).unwrap_err().to_string().contains(secret));
}

#[test]
fn other_keys_are_refused() {
    for text in ["", "ed25519:", "rsa:AAAA", "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "ed25519:AAAA"] {
        assert_eq!(text.parse::<PublicKey>().unwrap_err(), KeyError::Public(text.to_owned()));
    }
    let elliptic = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n";
    for text in ["", "nonsense", elliptic] {
        assert_eq!(SigningKey::from_pem(text).unwrap_err(), KeyError::Private);
    }
}

#[test]
fn a_file_is_read_as_it_is_written_and_signing_again_adds_nothing() {
    let (a, b) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let mut file = SignatureFile::new(statement());
    for key in [&a, &b, &a] {
        file.sign(key).unwrap();
    }
    let read = SignatureFile::parse(file.to_text().unwrap().as_bytes()).unwrap();
    assert_eq!(read, file);
    let keys = [a.public_key(), b.public_key(), SigningKey::generate().unwrap().public_key()];
    assert_eq!(read.signers(&keys), BTreeSet::from([a.public_key(), b.public_key()]));
    assert_eq!(read.named_keys().len(), 2);
    assert_eq!(file.to_text().unwrap().matches("\"key\"").count(), 2);
}

#[test]
fn an_unknown_field_of_a_signature_file_is_refused_by_name() {
    let key = SigningKey::generate().unwrap();
    let mut file = SignatureFile::new(statement());
    file.sign(&key).unwrap();
    let good: serde_json::Value = serde_json::from_str(&file.to_text().unwrap()).unwrap();
    let with = |path: &str, value: serde_json::Value| {
        let mut json = good.clone();
        *json.pointer_mut(path).unwrap() = value;
        SignatureFile::parse(json.to_string().as_bytes()).unwrap_err().to_string()
    };
    let rows = [
        (with("/engine", "As\ntra".into()), "engine `As\ntra`"),
        (with("/version", "v1.2.3".into()), "version `v1.2.3`"),
        (with("/sha256", "abc".into()), "`abc` is no SHA-256"),
        (with("/signatures", 1.into()), "invalid type"),
        (with("/signatures/0/key", "rsa:x".into()), "`rsa:x` is no public key"),
        (with("/signatures/0/signature", "AAAA".into()), "is not 88 characters of base64"),
    ];
    for (text, expected) in rows {
        assert!(text.contains(expected), "{text}");
    }
    let mut json = good.clone();
    json["expires"] = "never".into();
    assert!(SignatureFile::parse(json.to_string().as_bytes()).unwrap_err().to_string().contains("`expires`"));
    json = good;
    json.as_object_mut().unwrap().remove("sha256");
    assert!(SignatureFile::parse(json.to_string().as_bytes()).unwrap_err().to_string().contains("`sha256`"));
}

#[test]
fn a_key_that_signed_twice_is_refused_by_name() {
    let (once, twice) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let mut file = SignatureFile::new(statement());
    file.sign(&once).unwrap();
    file.sign(&twice).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&file.to_text().unwrap()).unwrap();
    let signatures = json["signatures"].as_array_mut().unwrap();
    signatures.push(signatures[1].clone());
    let refused = SignatureFile::parse(json.to_string().as_bytes()).unwrap_err().to_string();
    let expected = format!("not a file of signatures: it has more than one signature by `{}`", twice.public_key());
    assert_eq!(refused, expected);
}

#[test]
fn files_and_signatures_are_bounded() {
    let mut file = SignatureFile::new(statement());
    for _ in 0..SIGNATURES_MAX {
        file.sign(&SigningKey::generate().unwrap()).unwrap();
    }
    assert!(file.sign(&SigningKey::generate().unwrap()).is_err());
    let full = file.to_text().unwrap();
    assert!(full.len() < SIGNATURE_FILE_BYTES_MAX, "a full file is read: {}", full.len());
    let mut json: serde_json::Value = serde_json::from_str(&full).unwrap();
    let signatures = json["signatures"].as_array_mut().unwrap();
    signatures.push(signatures[0].clone());
    let refused = SignatureFile::parse(json.to_string().as_bytes()).unwrap_err().to_string();
    assert!(refused.contains("more than 32 signatures"), "{refused}");
    assert!(SignatureFile::parse(&vec![b' '; SIGNATURE_FILE_BYTES_MAX + 1]).is_err());
}
