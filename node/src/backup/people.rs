//! Encryption for people: age, to recipients of the organisation's choice, native or by a plugin such as a YubiKey's.

use super::file::FILE_BYTES_MAX;
use crate::failure::{Exit, Failure};
use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::SecretString;
use age::{Callbacks, DecryptError, Decryptor, Encryptor, IdentityFile, Recipient};
use firn_proto::{Code, Refusal};
use std::io::{Read, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// More are a mistake: each of them alone has the share.
const RECIPIENTS_MAX: usize = 16;

/// Reads a backup back that was just made, with a key of its own that nobody has afterwards.
pub(crate) struct Witness(age::x25519::Identity);

impl Witness {
    pub(crate) fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// As [`decrypt`].
    pub(crate) fn decrypt(&self, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        open(text, [&self.0 as &dyn age::Identity].into_iter(), |cause| Failure::general("BACKUP_IDENTITY", cause))
    }
}

/// Encrypts for all of `recipients`, and for the witness where there is one, as text.
pub(crate) fn encrypt(plain: &[u8], recipients: &[String], witness: Option<&Witness>) -> Result<Vec<u8>, Failure> {
    let invalid = |cause: String| {
        let next = "give `backup.recipients` in config.toml or --recipient: age1... of the people who may restore";
        Failure::new("BACKUP_RECIPIENTS", cause, next, Exit::Failure)
    };
    if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
        return Err(invalid(format!("{} recipients; 1 to {RECIPIENTS_MAX} can be", recipients.len())));
    }
    let parsed = recipients.iter().map(|text| recipient(text).map_err(|why| invalid(format!("{text}: {why}"))));
    let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
    let witness = witness.map(|witness| witness.0.to_public());
    let witness = witness.iter().map(|recipient| recipient as &dyn Recipient);
    let encryptor = Encryptor::with_recipients(parsed.iter().map(AsRef::as_ref).chain(witness));
    let encryptor = encryptor.map_err(|error| invalid(error.to_string()))?;
    let write = || {
        let armour = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut output = encryptor.wrap_output(armour)?;
        output.write_all(plain)?;
        output.finish()?.finish()
    };
    write().map_err(|error: std::io::Error| Failure::general("BACKUP_ENCRYPTION", error.to_string()))
}

fn recipient(text: &str) -> Result<Box<dyn Recipient>, String> {
    if let Ok(native) = text.parse::<age::x25519::Recipient>() {
        return Ok(Box::new(native));
    }
    let plugin = text.parse::<age::plugin::Recipient>().map_err(str::to_owned)?;
    let name = plugin.plugin().to_owned();
    let plugin = age::plugin::RecipientPluginV1::new(&name, &[plugin], &[], Terminal);
    plugin.map(|plugin| Box::new(plugin) as Box<dyn Recipient>).map_err(|error| error.to_string())
}

/// Decrypts with the identities of a key file. What comes out stays in memory.
pub(crate) fn decrypt(text: &[u8], key_file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unusable = |cause: String| {
        let next = "name a file with the secret key (AGE-SECRET-KEY-1...) or plugin identity of a recipient";
        Failure::new("BACKUP_IDENTITY", format!("{}: {cause}", key_file.display()), next, Exit::Failure)
    };
    let file = IdentityFile::from_file(key_file.to_string_lossy().into_owned());
    let file = file.map_err(|error| unusable(error.to_string()))?.with_callbacks(Terminal);
    let identities = file.into_identities().map_err(|error| unusable(error.to_string()))?;
    open(text, identities.iter().map(|identity| &**identity as &dyn age::Identity), unusable)
}

fn open<'a>(
    text: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
    unusable: impl Fn(String) -> Failure,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let malformed = |what: String| Failure::from(Refusal::new(Code::BackupMalformed, what));
    if text.len() > FILE_BYTES_MAX {
        return Err(malformed(format!("more than {FILE_BYTES_MAX} bytes")));
    }
    // age takes files without armour as well, and forgives what surrounds it; ours are written in one way.
    if !text.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
        || !text.ends_with(b"-----END AGE ENCRYPTED FILE-----\n")
    {
        return Err(malformed("not an age file in ASCII armour, and nothing else".to_owned()));
    }
    let decryptor = Decryptor::new(ArmoredReader::new(text)).map_err(|error| malformed(error.to_string()))?;
    let mut reader = decryptor.decrypt(identities).map_err(|error| match error {
        DecryptError::NoMatchingKeys => Refusal::new(Code::BackupRecipient, "").into(),
        DecryptError::Plugin(_) | DecryptError::PluginResolve(_) => unusable(error.to_string()),
        _ => malformed(error.to_string()),
    })?;
    // Sized up front: a vector that grows leaves copies of its content behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    reader.read_to_end(&mut plain).map_err(|error| malformed(error.to_string()))?;
    Ok(plain)
}

/// Says what a plugin asks for, such as a touch, and asks for the PIN that it needs.
#[derive(Clone, Copy)]
struct Terminal;

impl Callbacks for Terminal {
    fn display_message(&self, message: &str) {
        let _ = writeln!(std::io::stderr(), "{message}");
    }

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        rpassword::prompt_password(format!("{description}: ")).ok().map(SecretString::from)
    }
}
