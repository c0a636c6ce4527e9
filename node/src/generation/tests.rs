use super::*;

/// What Linux sends for the device of Firecracker, and for an ordinary one.
const TOLD: &[u8] = b"change@/devices/platform/VMGENCTR:00\0ACTION=change\0DEVPATH=/devices/platform/VMGENCTR:00\0\
                      SUBSYSTEM=platform\0NEW_VMGENID=1\0SEQNUM=1234\0";
const OTHER: &[u8] = b"add@/devices/virtual/net/lo\0ACTION=add\0SUBSYSTEM=net\0INTERFACE=NEW_VMGENID=1\0SEQNUM=7\0";

#[test]
fn only_the_line_of_a_new_generation_says_that_memory_was_copied() {
    assert!(says_copied(TOLD));
    assert!(!says_copied(OTHER));
    assert!(!says_copied(b"NEW_VMGENID=0\0NEW_VMGENID=10\0XNEW_VMGENID=1\0"));
    assert!(!says_copied(b""));
}

#[test]
fn what_another_process_says_in_the_kernels_name_stops_nothing() {
    let ear = Ear { events: listen().expect("Linux lets everybody listen"), verdict: Mutex::new(Ok(())) };
    let events = &ear.events;
    let port = SocketAddrNetlink::try_from(net::getsockname(events).unwrap()).unwrap().pid();
    let flags = SocketFlags::CLOEXEC;
    let kind = Some(netlink::KOBJECT_UEVENT);
    let liar = net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, kind).unwrap();
    net::sendto(&liar, TOLD, net::SendFlags::empty(), &SocketAddrNetlink::new(port, 0)).unwrap();
    // It has arrived: otherwise this test would show nothing.
    let mut peeked = [0; EVENT_BYTES_MAX];
    let (length, ..) = net::recvfrom(events, &mut peeked[..], RecvFlags::DONTWAIT | RecvFlags::PEEK).unwrap();
    assert!(says_copied(&peeked[..length]));
    ear.check().unwrap();
    net::recvfrom(events, &mut peeked[..], RecvFlags::DONTWAIT).expect_err("it was heard, and not believed");
}

#[test]
fn a_new_generation_and_every_doubt_end_the_process() {
    judge(Ok(false)).unwrap();
    for heard in [Ok(true), Err(Errno::NOBUFS), Err(Errno::BADF)] {
        assert_eq!(judge(heard).unwrap_err().code, "MEMORY_COPIED");
    }
    let ear = Ear { events: listen().unwrap(), verdict: Mutex::new(judge(Ok(true))) };
    ear.check().expect_err("once said is said for good");
}

#[test]
fn a_driver_without_a_device_tells_nothing() {
    let driver = tempfile::tempdir().unwrap();
    assert!(!has_device(&driver.path().join("absent")));
    std::fs::create_dir(driver.path().join("module")).unwrap();
    std::fs::write(driver.path().join("bind"), "").unwrap();
    assert!(!has_device(driver.path()));
    std::fs::create_dir(driver.path().join("VMGENCTR:00")).unwrap();
    assert!(has_device(driver.path()));
}
