//! Signatures of `[dkim]` are verified by dkimpy, which many receivers use.

use super::{installed, output, streams};
use crate::support::Folder;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::pkey::{PKey, Private};
use std::process::Command;

/// Verifies the mail in the file of the first argument; the second is the record in DNS. Prints whether it holds, also after its
/// body was changed.
const VERIFY: &str = r#"
import dkim, sys
mail, record = open(sys.argv[1], "rb").read(), sys.argv[2].encode()
verify = lambda mail: dkim.verify(mail, dnsfunc=lambda name, timeout=5: record, minkey=1024)
print(verify(mail), verify(mail + b"x\r\n"), verify(mail.replace(b"Subject: ", b"Subject: x", 1)))
"#;

fn rsa() -> (PKey<Private>, String) {
    let key = openssl::rsa::Rsa::generate(2048).and_then(PKey::from_rsa).expect("a key is made");
    let public = STANDARD.encode(key.public_key_to_der().expect("it is written"));
    (key, format!("v=DKIM1; k=rsa; p={public}"))
}

fn ed25519() -> (PKey<Private>, String) {
    let key = PKey::generate_ed25519().expect("a key is made");
    let public = STANDARD.encode(key.raw_public_key().expect("it is written"));
    (key, format!("v=DKIM1; k=ed25519; p={public}"))
}

#[test]
#[ignore = "needs what `make test-schemas` installs"]
fn dkimpy_verifies_what_mailrun_signs() {
    let python = installed("venv/bin/python");
    let texts = "text = \"two  spaces \\n.dot\\n\\n\\n\"\n";
    let umlauts = "text = \"Grüße\\n\"\nhtml = \"<p>Grüße</p>\"\nattach = [\"case.toml\"]\n";
    for (key, record) in [rsa(), ed25519()] {
        for content in [texts, umlauts] {
            // Over BDAT, and over DATA.
            for chunking in [true, false] {
                let (folder, sink) = (Folder::new(), Folder::new());
                folder.write("dkim.pem", key.private_key_to_pem_pkcs8().expect("it is written"));
                folder.write(
                    "case.toml",
                    format!(
                        "server = \"smtp://mail.example.com\"\n[dkim]\ndomain = \"example.com\"\nselector = \"s2026\"\n\
                         key = {{ file = \"dkim.pem\" }}\n[message]\nfrom = \"Änn <ann@example.com>\"\n\
                         to = [\"b@example.com\"]\nsubject = \"Grüße, and a subject so long that it is folded on its way to them\"\n\
                         headers = {{ X-Empty = \"\", List-Id = \"<a.example.com>\" }}\nchunking = {chunking}\n{content}"
                    ),
                );
                let run = [
                    "run",
                    "--quiet",
                    "--dry-run",
                    "--sink",
                    &sink.argument("."),
                    "--transcript",
                    "t.log",
                    "case.toml",
                ];
                folder.mailrun(run).run().exits(0);
                assert_eq!(folder.read("t.log").contains("C: BDAT "), chunking, "{}", folder.read("t.log"));
                let names: Vec<_> = sink.names().into_iter().filter(|name| name.ends_with(".eml")).collect();
                assert_eq!(names.len(), 1, "{names:?}");
                let verified =
                    output(Command::new(&python).args(["-c", VERIFY]).arg(sink.path(&names[0])).arg(&record));
                let mail = sink.read(&names[0]);
                assert_eq!(streams(&verified), "True False False\n", "chunking = {chunking}\n{mail}");
            }
        }
    }
}
