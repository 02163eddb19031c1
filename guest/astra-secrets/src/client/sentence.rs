//! What a caller is told when Astra did not do what was asked: the status, and a sentence with cause, object and next
//! step. docs/operations.md lists each of them.

use secrets_framework::Error;
use secrets_framework::host::{Host, Loss, NotSent};

use super::error::{AnsweredBy, ClientError, is_about_the_token};
use crate::config::OrgConfig;
use crate::names::OrgId;
use crate::read_only;
use crate::tainted;

/// What the caller is told when Astra did not do what was asked. The sentence names the organization, gives Astra's
/// status and says what to do next; it quotes nothing of Astra's.
pub(crate) fn upstream(host: &dyn Host, org_id: &OrgId, error: &ClientError) -> Error {
    told(host, org_id, None, error)
}

/// As [`upstream`], for a request with this config. For a retired config, the sentence names its URL, too: no write to the
/// config of the organization changes what is asked there.
pub(super) fn failure(host: &dyn Host, config: &OrgConfig, error: &ClientError) -> Error {
    told(host, &config.org_id, Some(config).filter(|config| config.is_retired), error)
}

fn told(host: &dyn Host, org_id: &OrgId, retired: Option<&OrgConfig>, error: &ClientError) -> Error {
    match error {
        ClientError::Denied { sentence } if tainted::is_tainted(host) => {
            Error::mistake(format!("{sentence}; then {}", tainted::REPEAT))
        }
        ClientError::Denied { sentence } => Error::mistake(sentence.clone()),
        ClientError::ReadOnly => read_only::failure(&format!("nothing was changed for organization `{org_id}`")),
        error => {
            let place = retired.map(|config| format!(" at {}", config.url.for_error())).unwrap_or_default();
            let (code, cause) = cause(&format!("organization `{org_id}`{place}"), error);
            let next_step = match retired {
                Some(config) if is_of_the_config(error) && !tainted::is_tainted(host) => config.step_of_retired(),
                _ => next_step(host, org_id, error),
            };
            Error::coded(code, format!("{cause} ({error}): {next_step}"))
        }
    }
}

/// Is another config the remedy of a failure that ends a token?
fn is_of_the_config(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Refused { .. }
            | ClientError::NotFound
            | ClientError::Rejected { .. }
            | ClientError::Unexpected { .. }
            | ClientError::Nonsense { .. }
    )
}

/// Status and cause of a failure.
fn cause(whose: &str, error: &ClientError) -> (u16, String) {
    let (code, begin, end) = match error {
        ClientError::Refused { error_id: Some(id), .. } if is_about_the_token(*id) => {
            (502, "Astra does not know the admin token of", "")
        }
        ClientError::Refused { .. } => (502, "Astra refused the admin token of", ""),
        ClientError::NotFound => (502, "Astra did not find what was asked for", ""),
        ClientError::Rejected { .. } => (502, "Astra rejected the request for", ""),
        ClientError::Failing { status: 502..=504, by: AnsweredBy::Gateway, .. } => {
            (502, "A gateway before Astra failed for", "")
        }
        ClientError::Failing { .. } => (502, "Astra failed for", ""),
        ClientError::Unexpected { .. } | ClientError::Nonsense { .. } => {
            (502, "Astra's answer for", " was not understood")
        }
        ClientError::NotSent(reason) => {
            (if reason.is_timeout() { 504 } else { 502 }, "Astra could not be reached for", "")
        }
        ClientError::Lost(_) => (502, "Astra's answer for", " was lost"),
        ClientError::RateLimited { by: AnsweredBy::Gateway, .. } => {
            (503, "A gateway before Astra limits the rate of requests for", "")
        }
        ClientError::RateLimited { .. } => (503, "Astra limits the rate of requests for", ""),
        ClientError::TimedOut | ClientError::BodyTimedOut | ClientError::OutOfTime => {
            (504, "Astra did not answer in time for", "")
        }
        // Both have sentences of their own.
        ClientError::Denied { .. } | ClientError::ReadOnly => (502, "nothing was sent for", ""),
    };
    (code, format!("{begin} {whose}{end}"))
}

/// The next step after a failure, for the caller and the log. No path of a tainted mount is open for one.
pub(super) fn next_step(host: &dyn Host, org_id: &OrgId, error: &ClientError) -> String {
    if tainted::is_tainted(host) { on_tainted_mount(host, error) } else { on_open_mount(org_id, error) }
}

fn on_open_mount(org_id: &OrgId, error: &ClientError) -> String {
    let step = match error {
        ClientError::Refused { error_id: Some(id), .. } if is_about_the_token(*id) => {
            return format!(
                "it has ended, was deleted in Astra's portal or was never valid; make another there, and write it as \
                 `astra_token` to `config/{org_id}`"
            );
        }
        ClientError::Refused { .. } => {
            return format!(
                "check that the token is valid, may manage tokens and has the permissions that the role gives, or write \
                 another `astra_token` to `config/{org_id}`"
            );
        }
        ClientError::NotFound => "check the config's `url` and the role's Astra role IDs",
        ClientError::Rejected { .. } => "check the role's Astra role IDs",
        ClientError::Failing { status: 502..=504, by: AnsweredBy::Gateway, .. } => {
            "try again later; if it stays so, ask those who run gateways and proxies between this machine and Astra"
        }
        ClientError::Failing { .. } | ClientError::RateLimited { by: AnsweredBy::Astra, .. } => "try again later",
        ClientError::RateLimited { .. } => "try again later, or ask those who run it for a higher rate",
        ClientError::Unexpected { .. } | ClientError::Nonsense { .. } => "check the config's `url`",
        ClientError::NotSent(reason) => remedy(*reason),
        ClientError::Lost(loss) => remedy_of_loss(*loss),
        ClientError::TimedOut => "try again later, or raise the config's `request_timeout`",
        ClientError::BodyTimedOut => {
            "try again later; if it stays so, see what slows down answers on the way from Astra"
        }
        ClientError::OutOfTime => {
            "try again later; if it stays so, see in the server's log which answers of Astra are slow, or lower the \
             config's `max_retries` or `request_timeout`"
        }
        ClientError::ReadOnly => read_only::REMEDY,
        ClientError::Denied { .. } => "see to it that the plugin's registration allows the origin",
    };
    step.to_owned()
}

/// What ends the tokens of a mount whose paths are closed.
fn on_tainted_mount(host: &dyn Host, error: &ClientError) -> String {
    let (repeat, give_up) = (tainted::REPEAT, || tainted::give_up(host));
    match error {
        ClientError::Refused { error_id: Some(id), .. } if is_about_the_token(*id) => give_up(),
        ClientError::Refused { .. } => {
            format!("give the token its rights back in Astra, and {repeat}; if that is not possible: {}", give_up())
        }
        ClientError::NotFound
        | ClientError::Rejected { .. }
        | ClientError::Unexpected { .. }
        | ClientError::Nonsense { .. } => format!("{repeat}; if it stays so: {}", give_up()),
        ClientError::NotSent(_) | ClientError::Denied { .. } => {
            format!("repair the way from this machine to Astra, and {repeat}; if that is not possible: {}", give_up())
        }
        ClientError::Failing { .. }
        | ClientError::RateLimited { .. }
        | ClientError::TimedOut
        | ClientError::BodyTimedOut
        | ClientError::OutOfTime
        | ClientError::Lost(_) => repeat.to_owned(),
        ClientError::ReadOnly => read_only::REMEDY.to_owned(),
    }
}

/// What to do about a request that was certainly not sent.
fn remedy(reason: NotSent) -> &'static str {
    match reason {
        NotSent::NameUnknown => "check the host of the config's `url`, and the DNS servers of this machine",
        NotSent::NameTimedOut => "check that the DNS servers of this machine answer, then try again",
        NotSent::Refused => {
            "check host and port of the config's `url`, and whether a firewall refuses connections from this machine"
        }
        NotSent::Unreachable => {
            "check the routes of this machine; if a proxy is the only way out, register the plugin with `--proxy=`"
        }
        NotSent::Closed => {
            "check that host and port of the config's `url` are right and no firewall closes connections"
        }
        NotSent::ConnectTimedOut => {
            "check that no firewall drops packets to the config's `url`; if a proxy is the only way out, register the plugin with `--proxy=`"
        }
        NotSent::TlsTimedOut => {
            "check that host and port of the config's `url` speak TLS and no firewall holds TLS back"
        }
        NotSent::Busy => "try again later; if it stays so, look for slow answers of Astra in the log",
        NotSent::UnknownAuthority => {
            "if you trust that authority, give its certificate by `--ca-file=` in the plugin's registration; else something on the way answers in Astra's place"
        }
        NotSent::CertificateExpired => {
            "have the certificate renewed where the config's `url` leads, and check the clock of this machine"
        }
        NotSent::CertificateNotYetValid => "check the clock of this machine",
        NotSent::CertificateForAnotherName => {
            "check the host of the config's `url`, and what DNS answers for it on this machine"
        }
        NotSent::CertificateUnusable => {
            "have it replaced where the config's `url` leads by one that an authority issued for a server; the certificate of an authority itself is none"
        }
        NotSent::ClientCertificateWanted => {
            "register the plugin with `--egress-client-cert=` and `--egress-client-key=`"
        }
        NotSent::TlsAlert(_) => {
            "look for the reason in the log of the server or gateway at the config's `url`; if it asks for a client certificate, check `--egress-client-cert=` of the plugin's registration"
        }
        NotSent::TlsFailed => "check that host and port of the config's `url` speak TLS 1.2 or 1.3",
        NotSent::NoTrustedCertificates => {
            "install the certificates of the system, or name them by `SSL_CERT_FILE` or `--ca-file=` in the plugin's registration"
        }
        NotSent::ProxyNameUnknown => {
            "check the proxy of the plugin's registration, and the DNS servers of this machine"
        }
        NotSent::ProxyUnreachable => "check host and port of the proxy of the plugin's registration",
        NotSent::ProxyTimedOut => {
            "check that the proxy of the plugin's registration answers and reaches the host of the config's `url`"
        }
        NotSent::ProxyRefused(_) => "have the proxy allow the host and port of the config's `url`",
        NotSent::ProxyWantsCredentials => {
            "give the proxy's user and password in `HTTPS_PROXY` of the registration's environment, with `--proxy-from-environment`"
        }
        NotSent::ProxyNotHttp => "check that host and port of the proxy of the plugin's registration are an HTTP proxy",
        NotSent::ProxyClosed => "look for the reason in the log of the proxy",
        NotSent::Unsendable(_) => "check the config's `url`",
    }
}

fn remedy_of_loss(loss: Loss) -> &'static str {
    match loss {
        Loss::Closed => "try again later; if it stays so, look for what closes connections on the way",
        Loss::NotHttp => "check that host and port of the config's `url` are Astra's",
        Loss::RequestCut | Loss::HostFailed => "look into the server's log under the ID of the request",
    }
}

#[cfg(test)]
mod tests {
    use secrets_framework::testing::TestHost;

    use super::super::error::RetryAfter;
    use super::*;

    #[test]
    fn callers_are_told_status_organization_and_what_to_do() {
        insta::assert_snapshot!(told(&TestHost::new(), &failures()));
    }

    #[test]
    fn on_a_tainted_mount_no_failure_leads_to_a_path_of_the_mount() {
        let host = TestHost::new();
        host.system_view.set_tainted(true);
        let told = told(&host, &failures());
        insta::assert_snapshot!(told);
        for error in failures().into_iter().chain(of_the_way()) {
            let sentence = upstream(&host, &OrgId::stored("o-1"), &error).to_string();
            let step = next_step(&host, &OrgId::stored("o-1"), &error);
            for closed in ["config", "astra_token", "request_timeout"] {
                assert!(!sentence.contains(closed) && !step.contains(closed), "{error:?}: {sentence}, {step}");
            }
            let names_disable = sentence.contains("`vault secrets disable`");
            assert!(names_disable || error == ClientError::ReadOnly, "{error:?}: {sentence}");
        }
    }

    fn of_the_way() -> Vec<ClientError> {
        let not_sent = NOT_SENT.map(ClientError::NotSent);
        let lost = [Loss::Closed, Loss::NotHttp, Loss::RequestCut, Loss::HostFailed].map(ClientError::Lost);
        not_sent.into_iter().chain(lost).collect()
    }

    fn failures() -> Vec<ClientError> {
        vec![
            ClientError::Refused { status: 401, error_id: Some(340_016) },
            ClientError::Refused { status: 403, error_id: None },
            ClientError::NotFound,
            ClientError::RateLimited { retry_after: None, by: AnsweredBy::Astra },
            ClientError::RateLimited { retry_after: Some(RetryAfter::Seconds(90)), by: AnsweredBy::Gateway },
            ClientError::Rejected { status: 400, error_id: None },
            ClientError::Failing { status: 503, retry_after: None, by: AnsweredBy::Astra },
            ClientError::Failing {
                status: 503,
                retry_after: Some(RetryAfter::At(784_111_777)),
                by: AnsweredBy::Gateway,
            },
            ClientError::Failing { status: 500, retry_after: None, by: AnsweredBy::Gateway },
            ClientError::Unexpected { status: 302 },
            ClientError::Nonsense { reason: "it is not a whole token" },
            ClientError::TimedOut,
            ClientError::BodyTimedOut,
            ClientError::OutOfTime,
            ClientError::ReadOnly,
            ClientError::Denied { sentence: "the host's sentence".to_owned() },
        ]
    }

    #[test]
    fn every_failure_of_the_way_has_its_own_words_and_next_step() {
        let errors = of_the_way();
        let told = told(&TestHost::new(), &errors);
        let mut lines: Vec<&str> = told.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), errors.len(), "two failures are told alike");
        insta::assert_snapshot!(told);
    }

    #[test]
    fn the_documents_table_has_every_cause_with_its_status() {
        let document = include_str!("../../../../docs/operations.md");
        for reason in NOT_SENT {
            let code = if reason.is_timeout() { 504 } else { 502 };
            let cause = match reason {
                NotSent::TlsAlert(_) => "the server ended TLS with alert …".to_owned(),
                NotSent::ProxyRefused(_) => "the proxy refused with status …".to_owned(),
                NotSent::Unsendable(_) => "the request cannot be sent: …".to_owned(),
                reason => reason.to_string(),
            };
            let row = format!("| {code} | `{cause}` | {} |", remedy(reason));
            assert!(document.contains(&row), "docs/operations.md lacks the row\n{row}");
        }
    }

    #[test]
    fn time_is_a_504_and_all_else_of_the_way_a_502() {
        for reason in NOT_SENT {
            let expected = if reason.is_timeout() { 504 } else { 502 };
            let Error::Coded { code, .. } =
                upstream(&TestHost::new(), &OrgId::stored("o"), &ClientError::NotSent(reason))
            else {
                panic!("{reason:?}")
            };
            assert_eq!(code, expected, "{reason:?}");
        }
        let of_time = NOT_SENT.into_iter().filter(|reason| reason.is_timeout()).count();
        assert_eq!(of_time, 4, "DNS, connect, TLS and proxy");
    }

    const NOT_SENT: [NotSent; 25] = [
        NotSent::NameUnknown,
        NotSent::NameTimedOut,
        NotSent::Refused,
        NotSent::Unreachable,
        NotSent::Closed,
        NotSent::ConnectTimedOut,
        NotSent::TlsTimedOut,
        NotSent::Busy,
        NotSent::UnknownAuthority,
        NotSent::CertificateExpired,
        NotSent::CertificateNotYetValid,
        NotSent::CertificateForAnotherName,
        NotSent::CertificateUnusable,
        NotSent::ClientCertificateWanted,
        NotSent::TlsAlert(40),
        NotSent::TlsFailed,
        NotSent::NoTrustedCertificates,
        NotSent::ProxyNameUnknown,
        NotSent::ProxyUnreachable,
        NotSent::ProxyTimedOut,
        NotSent::ProxyRefused(403),
        NotSent::ProxyWantsCredentials,
        NotSent::ProxyNotHttp,
        NotSent::ProxyClosed,
        NotSent::Unsendable("its body cannot be written"),
    ];

    fn told(host: &dyn Host, errors: &[ClientError]) -> String {
        let told = errors.iter().map(|error| match upstream(host, &OrgId::stored("o-1"), error) {
            Error::BadRequest(sentence) => format!("400 {sentence}"),
            Error::Coded { code, message } => format!("{code} {message}"),
            error => panic!("{error}"),
        });
        told.collect::<Vec<_>>().join("\n")
    }
}
