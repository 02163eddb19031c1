//! Strangers at the socket.

use super::*;

#[tokio::test]
async fn a_peer_with_another_certificate_is_refused() {
    let error = toy().with_other_identity().start().await.map(|_| ()).unwrap_err();
    assert!(matches!(error, TestError::Call { .. } | TestError::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn strangers_do_not_disturb_the_server() {
    let (plugin, mount) = mounted().await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(UnixStream::connect(plugin.socket()).await.unwrap());
    }
    for bytes in [&b"\x00\xff\x16garbage"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"] {
        // One of those that the plugin has already accepted.
        let mut stranger = idle.remove(0);
        stranger.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        // TLS answers with an alert at most, and closes.
        let _ = stranger.read_to_end(&mut rest).await;
        assert!(rest.len() < 16, "{rest:?}");
    }
    assert_eq!(read(&mount, "echo").await.unwrap().unwrap()["operation"], "Read");
    let log = plugin.log_after_end();
    assert!(plugin.shutdown().await.unwrap().success());
    let log = log.await;
    assert!(log.contains("refused a connection to the plugin's socket: TLS failed"), "{log}");
    assert_hclog(&log);
}
