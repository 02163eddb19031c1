//! Modules that may run, and the reasons why others may not.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::signature::SigningKey;
use crate::{Digest, ModuleId};

fn module() -> Statement {
    Statement { id: ModuleId::new("astra", "1.2.3").unwrap(), digest: Digest::of(b"wasm") }
}

fn key() -> SigningKey {
    SigningKey::generate().unwrap()
}

/// A signature file over `statement` by `keys`.
fn signed(statement: Statement, keys: &[&SigningKey]) -> Vec<u8> {
    let mut file = SignatureFile::new(statement);
    for key in keys {
        file.sign(key).unwrap();
    }
    file.to_text().unwrap().into_bytes()
}

fn policy(keys: &[&SigningKey], threshold: usize) -> TrustPolicy {
    trusting(EngineTrust::new([], keys.iter().map(|key| key.public_key()), threshold).unwrap())
}

/// Trust for the module's engine, and for no other.
fn trusting(trust: EngineTrust) -> TrustPolicy {
    let mut policy = TrustPolicy::default();
    policy.trust("astra", trust);
    policy
}

fn refused(policy: &TrustPolicy, signatures: Option<&[u8]>) -> String {
    policy.approve(&module(), signatures).unwrap_err().to_string()
}

#[test]
fn no_module_is_trusted_by_default() {
    let text = refused(&TrustPolicy::default(), Some(&signed(module(), &[&key()])));
    assert!(text.contains("is not pinned, and no key is trusted for engine `astra`"), "{text}");
    assert!(TrustPolicy::default().is_empty());
}

#[test]
fn a_pinned_digest_is_enough_and_another_is_not() {
    let policy = trusting(EngineTrust::new([module().digest], [], 1).unwrap());
    assert_eq!(policy.approve(&module(), None), Ok(Approval::AllowListed));
    let other = Statement { digest: Digest::of(b"other"), ..module() };
    assert!(policy.approve(&other, None).is_err());
}

#[test]
fn trust_for_one_engine_does_not_apply_to_another() {
    let (of_astra, of_other) = (key(), key());
    let mut policy = policy(&[&of_astra], 1);
    let other = Statement { id: ModuleId::new("other", "1.2.3").unwrap(), ..module() };
    policy.trust("other", EngineTrust::new([other.digest], [of_other.public_key()], 1).unwrap());
    for (module, signer, approved) in [
        (module(), &of_astra, true),
        (module(), &of_other, false),
        (Statement { digest: Digest::of(b"second"), ..other.clone() }, &of_other, true),
        (Statement { digest: Digest::of(b"second"), ..other.clone() }, &of_astra, false),
    ] {
        let file = signed(module.clone(), &[signer]);
        assert_eq!(policy.approve(&module, Some(&file)).is_ok(), approved, "{module}");
    }
    assert!(policy.approve(&other, None).is_ok(), "pinned");
    // The same bytes under the name of the other engine are rejected.
    assert!(policy.approve(&module(), None).is_err());
    let third = Statement { id: ModuleId::new("third", "1.2.3").unwrap(), ..module() };
    assert!(policy.approve(&third, Some(&signed(third.clone(), &[&of_astra]))).is_err());
}

#[test]
fn enough_different_keys_are_enough() {
    let (a, b, c) = (key(), key(), key());
    let policy = policy(&[&a, &b, &c], 2);
    let mut signers = vec![a.public_key().to_string(), c.public_key().to_string()];
    let Ok(Approval::Signed(mut named)) = policy.approve(&module(), Some(&signed(module(), &[&a, &c]))) else {
        panic!("two of three keys signed")
    };
    signers.sort();
    named.sort();
    assert_eq!(named, signers);
    let text = refused(&policy, Some(&signed(module(), &[&b])));
    assert_eq!(text, "it needs good signatures by 2 trusted keys, and has 1");
}

#[test]
fn a_key_does_not_count_twice() {
    let a = key();
    let policy = policy(&[&a, &key()], 2);
    let twice = String::from_utf8(signed(module(), &[&a])).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&twice).unwrap();
    let signatures = json["signatures"].as_array_mut().unwrap();
    signatures.push(signatures[0].clone());
    let text = refused(&policy, Some(json.to_string().as_bytes()));
    assert_eq!(text, format!("not a file of signatures: it has more than one signature by `{}`", a.public_key()));
}

#[test]
fn signatures_by_other_keys_do_not_count() {
    let text = refused(&policy(&[&key()], 1), Some(&signed(module(), &[&key(), &key()])));
    let expected = "it needs good signatures by 1 trusted keys, and has 0; 2 by keys that are not trusted do not count";
    assert_eq!(text, expected);
}

#[test]
fn a_signature_of_something_else_under_this_modules_name_is_wrong() {
    let a = key();
    let policy = policy(&[&a], 1);
    let others = [
        Statement { digest: Digest::of(b"other"), ..module() },
        Statement { id: ModuleId::new("astra", "1.2.4").unwrap(), ..module() },
        Statement { id: ModuleId::new("other", "1.2.3").unwrap(), ..module() },
    ];
    for other in others {
        // The original file: it names the other module.
        let file = signed(other.clone(), &[&a]);
        let text = refused(&policy, Some(&file));
        assert!(text.starts_with(&format!("its signature file is for {other}, and it is astra 1.2.3")), "{text}");
        // The fields of this module over the same signatures.
        let mut json: serde_json::Value = serde_json::from_slice(&file).unwrap();
        json["engine"] = "astra".into();
        json["version"] = "1.2.3".into();
        json["sha256"] = module().digest.to_string().into();
        let text = refused(&policy, Some(json.to_string().as_bytes()));
        assert!(text.ends_with(&format!("; the one by `{}` is wrong", a.public_key())), "{text}");
    }
}

#[test]
fn a_missing_and_a_malformed_signature_file_have_different_reasons() {
    let policy = policy(&[&key()], 1);
    assert!(refused(&policy, None).starts_with("it has no signature file"));
    assert!(refused(&policy, Some(b"{")).starts_with("not a file of signatures: "));
    assert!(refused(&policy, Some(b"")).starts_with("not a file of signatures: "));
}

#[test]
fn impossible_thresholds_are_refused() {
    let a = key().public_key();
    assert_eq!(EngineTrust::new([], [a], 0).unwrap_err(), TrustError::ThresholdZero);
    let unreachable = |threshold, keys| TrustError::ThresholdUnreachable { threshold, keys };
    assert_eq!(EngineTrust::new([], [a, a], 2).unwrap_err(), unreachable(2, 1), "the same key twice is one");
    assert_eq!(EngineTrust::new([module().digest], [], 2).unwrap_err(), unreachable(2, 0));
}
