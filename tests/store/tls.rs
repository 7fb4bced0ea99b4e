//! A database that is spoken to by TLS.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tidegate::store::{
    MessageStore,
    mysql::{MysqlError, MysqlMessages},
};

use super::{
    contracts::{all_of, store::records, text},
    machine::Folder,
    mariadb::Mariadb,
};

/// A certificate of an authority of its own, as files of this name: `ca`, `cert`, `key`.
fn certify(folder: &Folder, name: &str) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    for (end, text) in [
        ("ca", ca.pem()),
        ("cert", certificate.pem()),
        ("key", key.serialize_pem()),
    ] {
        fs::write(folder.path().join(format!("{name}.{end}")), text).unwrap();
    }
}

#[tokio::test]
async fn certificates_are_checked_as_the_address_says() {
    let folder = Folder::new();
    certify(&folder, "good");
    certify(&folder, "other");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let server = Mariadb::start_with(&[
        &format!("--ssl-cert={}", path("good.cert")),
        &format!("--ssl-key={}", path("good.key")),
        "--require-secure-transport=ON",
    ]);
    let url = server.database("a");
    let all = records(vec![text(1, 2, 1, "a")]);
    for parameters in [
        "".to_owned(),
        "?ssl-mode=REQUIRED".to_owned(),
        format!("?ssl-mode=VERIFY_CA&ssl-ca={}", path("good.ca")),
        format!("?ssl-mode=VERIFY_IDENTITY&ssl-ca={}", path("good.ca")),
    ] {
        let store = MysqlMessages::connect(&format!("{url}{parameters}")).unwrap();
        store.check().await.unwrap();
        store.insert(all.clone()).await.unwrap();
        assert_eq!(store.history(all_of(1)).await, Ok(all.clone()));
    }
    // It has another name.
    let host = server.host().replace("127.0.0.1", "localhost");
    let named = url.replace(&server.host(), &host);
    for (url, parameters) in [
        (
            &url,
            format!("?ssl-mode=VERIFY_CA&ssl-ca={}", path("other.ca")),
        ),
        (&url, "?ssl-mode=VERIFY_CA".to_owned()),
        (
            &named,
            format!("?ssl-mode=VERIFY_IDENTITY&ssl-ca={}", path("good.ca")),
        ),
    ] {
        let store = MysqlMessages::connect(&format!("{url}{parameters}")).unwrap();
        let refused = store.check().await;
        assert!(
            matches!(refused, Err(MysqlError::Refused(_))),
            "{parameters}: {refused:?}"
        );
        assert!(store.insert(all.clone()).await.is_err(), "{parameters}");
    }
    // A file that is not there may come, as a socket does.
    let absent = format!("{url}?ssl-mode=VERIFY_CA&ssl-ca={}", path("nothing.ca"));
    let store = MysqlMessages::connect(&absent).unwrap();
    let error = store.insert(all.clone()).await.unwrap_err().to_string();
    assert!(error.contains("No such file"), "{error}");
    let plain = MysqlMessages::connect(&format!("{url}?ssl-mode=DISABLED")).unwrap();
    assert!(plain.insert(all).await.is_err());
}
