//! TLS: a good certificate is taken, each wrong one is refused by a client that checks.

use astra_simulator::{Certificate, Settings, Simulator};

use crate::client::CURRENT_ORG;

async fn status(certificate: Certificate) -> Result<u16, reqwest::Error> {
    let settings = Settings { certificate: Some(certificate), ..Settings::default() };
    let astra = Simulator::start(settings).unwrap();
    assert!(astra.url().starts_with("https://127.0.0.1:"));
    let authority = astra.authority_pem().unwrap();
    let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    let token = &astra.organization(0).bootstrap.token;
    let request = client.get(format!("{}{CURRENT_ORG}", astra.url())).bearer_auth(token);
    let answer = request.send().await;
    assert_eq!(astra.request_count(), u64::from(answer.is_ok()));
    Ok(answer?.status().as_u16())
}

#[tokio::test]
async fn a_good_certificate_is_taken() {
    assert_eq!(status(Certificate::Good).await.unwrap(), 200);
}

#[tokio::test]
async fn each_wrong_certificate_is_refused() {
    for wrong in [Certificate::SelfSigned, Certificate::WrongHost, Certificate::Expired] {
        assert!(status(wrong).await.is_err(), "{wrong:?}");
    }
}
