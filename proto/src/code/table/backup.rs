//! Codes of backups and of what a node restored from one may do: 213 to 222.

use super::{Code, Entry};

pub(in super::super) const ENTRIES: &[Entry] = &[
    Entry(
        Code::BackupMalformed,
        "BACKUP_MALFORMED",
        "the file is no backup of a node, or was cut or changed",
        "take another copy of it; nothing was written",
    ),
    Entry(
        Code::BackupNewer,
        "BACKUP_NEWER",
        "a later release of firn wrote the backup",
        "use that release, or a later one",
    ),
    Entry(
        Code::BackupRecipient,
        "BACKUP_RECIPIENT",
        "none of the identities in the key file opens the backup",
        "name the key file of one of the recipients that the backup was made for",
    ),
    Entry(
        Code::BackupOtherNetwork,
        "BACKUP_OTHER_NETWORK",
        "the backup is of another network than the definition at hand",
        "take the backup of this network, or the right network.toml",
    ),
    Entry(
        Code::BackupOtherNode,
        "BACKUP_OTHER_NODE",
        "the backup is of another node than the one at hand",
        "take this node's own backup: a share is of use to its member only",
    ),
    Entry(
        Code::BackupUncertified,
        "BACKUP_UNCERTIFIED",
        "what the backup says of a key is not signed by the members that the definition at hand names",
        "do not restore it: somebody made it up, or network.toml is older than the key; find out who wrote the file",
    ),
    Entry(
        Code::BackupShareInvalid,
        "BACKUP_SHARE_INVALID",
        "a share in the backup does not open, or is not the one that the key's certificate is about",
        "take another backup; do not count on this one",
    ),
    Entry(
        Code::ShareExists,
        "SHARE_EXISTS",
        "this node has a share of this key already, or had one and erased it; nothing is overwritten",
        "nothing to restore here; `firn dkg status` shows what the node holds",
    ),
    Entry(
        Code::RestoreUnconfirmed,
        "RESTORE_UNCONFIRMED",
        "the node was restored from a backup, and too few members have met it as the only and newest copy of itself",
        "see `firn status`: have the operators of the members that are missing there run `firn peer trust` for this node, once no other copy of it runs",
    ),
    Entry(
        Code::RestoreStale,
        "RESTORE_STALE",
        "members do not know the restored share's epoch as an active one: it is over, or never began",
        "wait until the node has caught up; if it stays, restore the backup of the key's present epoch",
    ),
];
