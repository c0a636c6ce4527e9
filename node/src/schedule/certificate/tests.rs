//! A certificate as openssl makes it, and bytes that are none.

use super::*;

const SAMPLE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBcjCCARmgAwIBAgIUHBKc8qz5CueaMS9ioYOxFa8amIQwCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEZmlybjAeFw0yNjExMjgwMTMwMjZaFw0yOTA4MjQwMTMwMjZa\n\
MA8xDTALBgNVBAMMBGZpcm4wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT/bs1l\n\
sgFbSbw1C2WZr7S0iXcNKKENbOdPYL3jiUjF3VtTNZvwKnuu6u/Wv8N+74NbxjVm\n\
aVTM97NlQ2Ywk/EUo1MwUTAdBgNVHQ4EFgQU7lqCYtEnNt7ctbkNips9l7NJ2BQw\n\
HwYDVR0jBBgwFoAU7lqCYtEnNt7ctbkNips9l7NJ2BQwDwYDVR0TAQH/BAUwAwEB\n\
/zAKBggqhkjOPQQDAgNHADBEAiBfW/qGFgQ0iX4tbLaDgvCcFCz2uAhpJMNbRbBt\n\
fMlvPwIgBWLSCH5kz2darNPCnQKfQjk71ZRhTSQBoR3gBtuaoXU=\n\
-----END CERTIFICATE-----\n\
";

#[test]
fn r56_the_last_second_of_a_certificate_is_read_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certificate.pem");
    std::fs::write(&file, SAMPLE).unwrap();
    // As `openssl x509 -enddate` has it: Aug 24 01:30:26 2029 GMT.
    assert_eq!(last_second(&file), Some(1_882_229_426));
    let der = CertificateDer::from_pem_slice(SAMPLE.as_bytes()).unwrap();
    for cut in 0..150 {
        assert_eq!(not_after(&der[..cut]), None, "cut after {cut} bytes");
    }
    std::fs::write(&file, "nothing").unwrap();
    assert_eq!(last_second(&file), None);
    assert_eq!(last_second(&folder.path().join("absent")), None);
}

#[test]
fn both_forms_of_a_moment_are_read_and_lengths_are_not_believed() {
    assert_eq!(moment(UTC_TIME, "700101000001Z"), Some(1));
    assert_eq!(moment(UTC_TIME, "491231235959Z"), moment(GENERALIZED_TIME, "20491231235959Z"));
    for (tag, text) in [(UTC_TIME, "491231235959"), (UTC_TIME, "491331235959Z"), (2, "491231235959Z"), (UTC_TIME, "4é")]
    {
        assert_eq!(moment(tag, text), None, "{text}");
    }
    assert_eq!(element(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff, 1]), None);
    assert_eq!(element(&[SEQUENCE, 0x80]), None);
}
