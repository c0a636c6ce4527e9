//! Whole walks through a vault's life.

use crate::api::Subject;
use crate::testing::{Net, release};

pub(crate) mod people;
pub(crate) mod script;

#[test]
fn five_vaults_make_a_key_activate_it_and_sign_a_request() {
    let (mut net, certificate) = Net::certified(3, 5);
    let nodes = net.nodes();
    net.sign(&certificate, &Subject::Activation(Box::new(certificate.clone())), &nodes[1..4]);
    let request = net.request(certificate.group_key(), 1, 5);
    net.sign(&certificate, &request, &nodes[..3]);
    // Every share takes part in some signature (R31).
    net.sign(&certificate, &request, &nodes[2..]);
}

#[test]
fn a_restarted_vault_signs_with_what_it_stored() {
    let (mut net, certificate) = Net::certified(2, 3);
    let nodes = net.nodes();
    let request = net.request(certificate.group_key(), 1, 5);
    let package = net.package(certificate.key_id(), &request, &nodes[..2]);
    net.restart(nodes[0]);
    net.refuses(nodes[0], release(&request, &package), firn_proto::Code::CommitmentUnknown);
    net.sign(&certificate, &request, &nodes[..2]);
}

/// Implements `probe` once for all types and once more for those with the trait `T` stands for: naming it is ambiguous,
/// and does not compile, for a type that has the trait.
trait NotClone<Marker> {
    fn probe() {}
}
trait NotDebug<Marker> {
    fn probe() {}
}
struct Has;
impl<T> NotClone<()> for T {}
impl<T: Clone> NotClone<Has> for T {}
impl<T> NotDebug<()> for T {}
impl<T: std::fmt::Debug> NotDebug<Has> for T {}

#[test]
fn r36_secrets_are_neither_cloned_nor_shown() {
    // Each line fails to compile as soon as its type implements the trait. Of serde nothing is in reach of this crate.
    <crate::Vault as NotClone<_>>::probe();
    <crate::Vault as NotDebug<_>>::probe();
    <crate::RootSecret as NotClone<_>>::probe();
    <crate::backup::BackupKey as NotClone<_>>::probe();
    <crate::backup::BackupKey as NotDebug<_>>::probe();
    <crate::RootSecret as NotDebug<_>>::probe();
    <crate::root::RootKeys as NotClone<_>>::probe();
    <crate::root::RootKeys as NotDebug<_>>::probe();
    <crate::root::Author as NotClone<_>>::probe();
    <crate::root::Author as NotDebug<_>>::probe();
    <crate::root::DecryptionKey as NotClone<_>>::probe();
    <crate::root::DecryptionKey as NotDebug<_>>::probe();
    <crate::seal::Sealer as NotClone<_>>::probe();
    <crate::seal::Sealer as NotDebug<_>>::probe();
    <crate::suite::SecretScalar as NotClone<_>>::probe();
    <crate::suite::SecretScalar as NotDebug<_>>::probe();
    <crate::nonces::Nonces as NotClone<_>>::probe();
    <crate::nonces::Nonces as NotDebug<_>>::probe();
    <crate::nonces::Pools as NotClone<_>>::probe();
    <crate::nonces::Pools as NotDebug<_>>::probe();
    <crate::held::HeldKey as NotClone<_>>::probe();
    <crate::held::HeldKey as NotDebug<_>>::probe();
    <crate::keygen::Attempt as NotClone<_>>::probe();
    <crate::keygen::Attempt as NotDebug<_>>::probe();
    <crate::keygen::Finished as NotClone<_>>::probe();
    <crate::keygen::Finished as NotDebug<_>>::probe();
}

#[test]
fn envelopes_count_up_within_a_boot_and_verify() {
    use crate::api::{Reply, Request};
    let mut net = Net::new(2, 3);
    let node = net.nodes()[0];
    let author = Request::Author { session: Default::default(), message: Box::new(firn_proto::Message::KeyAccept) };
    for expected in 1..=3 {
        let Reply::Envelope(envelope) = net.ask(node, author.clone()) else { panic!("no envelope") };
        let verified = firn_proto::envelope::verify(&envelope, &net.definition).unwrap();
        assert_eq!((verified.header().sender, verified.header().sequence), (node, expected));
        assert_eq!(verified.header().incarnation.count(), 1);
    }
    net.restart(node);
    let Reply::Envelope(envelope) = net.ask(node, author) else { panic!("no envelope") };
    let verified = firn_proto::envelope::verify(&envelope, &net.definition).unwrap();
    assert_eq!((verified.header().incarnation.count(), verified.header().sequence), (2, 1));
    let relay = Box::new(firn_proto::Message::Relay(vec![0; firn_proto::limits::FRAME_BYTES_MAX]));
    let request = Request::Author { session: Default::default(), message: relay };
    net.refuses(node, request, firn_proto::Code::EnvelopeTooLarge);
}
