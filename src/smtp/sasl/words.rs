//! What a message of an exchange says, in words: for people who look at a dialogue.

/// A part of a message, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaslField {
    pub name: &'static str,
    /// As it stands; what is shown of it is escaped by who shows it.
    pub value: Vec<u8>,
}

/// Tells what a decoded message says: what it is, and its parts. Its own form tells which mechanism it belongs to.
pub fn describe(message: &[u8]) -> (&'static str, Vec<SaslField>) {
    let text = std::str::from_utf8(message).unwrap_or_default();
    plain(message)
        .or_else(|| oauth(text))
        .or_else(|| scram_client_first(text))
        .or_else(|| scram_other(text))
        .or_else(|| cram_answer(text))
        .or_else(|| prompt(text))
        .unwrap_or_else(|| ("text", vec![part("text", message)]))
}

fn part(name: &'static str, value: impl AsRef<[u8]>) -> SaslField {
    SaslField { name, value: value.as_ref().to_vec() }
}

fn plain(message: &[u8]) -> Option<(&'static str, Vec<SaslField>)> {
    let parts: Vec<&[u8]> = message.split(|b| *b == 0).collect();
    let &[authzid, user, password] = parts.as_slice() else { return None };
    Some(("PLAIN", vec![part("authzid", authzid), part("user", user), part("password", password)]))
}

/// `user=…^Aauth=Bearer …^A^A`, or the same behind a GS2 header.
fn oauth(text: &str) -> Option<(&'static str, Vec<SaslField>)> {
    let (head, rest) = text.split_once('\x01')?;
    let (kind, mut parts) = match head.strip_prefix("user=") {
        Some(user) => ("XOAUTH2", vec![part("user", user)]),
        None => ("OAUTHBEARER", gs2(head.strip_suffix(',')?)?),
    };
    for pair in rest.split('\x01').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=')?;
        match (key, value.strip_prefix("Bearer ")) {
            ("host", _) => parts.push(part("host", value)),
            ("port", _) => parts.push(part("port", value)),
            ("auth", Some(token)) => parts.push(part("token", token)),
            _ => parts.push(part("other", pair)),
        }
    }
    Some((kind, parts))
}

/// `gs2-cbind-flag "," [ "a=" authzid ]`.
fn gs2(header: &str) -> Option<Vec<SaslField>> {
    let (flag, authzid) = header.split_once(',')?;
    let mut parts = match flag {
        "n" => vec![],
        "y" => vec![part("channel binding", "the client could, the server did not offer it")],
        flag => vec![part("channel binding", flag.strip_prefix("p=")?)],
    };
    if !authzid.is_empty() {
        parts.push(part("authzid", name(authzid.strip_prefix("a=")?)));
    }
    Some(parts)
}

/// The way back from saslname (RFC 5802 §5.1).
fn name(saslname: &str) -> String {
    saslname.replace("=2C", ",").replace("=3D", "=")
}

fn scram_client_first(text: &str) -> Option<(&'static str, Vec<SaslField>)> {
    let (flag, rest) = text.split_once(',')?;
    let (authzid, bare) = rest.split_once(',')?;
    let (user, nonce) = bare.strip_prefix("n=")?.split_once(",r=")?;
    let mut parts = gs2(&format!("{flag},{authzid}"))?;
    parts.extend([part("user", name(user)), part("nonce", nonce)]);
    Some(("SCRAM, the client's first message", parts))
}

/// The three messages that follow.
fn scram_other(text: &str) -> Option<(&'static str, Vec<SaslField>)> {
    let kind = match text.get(..2)? {
        "r=" => "SCRAM, the server's first message",
        "c=" => "SCRAM, the client's last message",
        "v=" | "e=" => "SCRAM, the server's last message",
        _ => return None,
    };
    let mut parts = Vec::new();
    for attribute in text.split(',') {
        let (key, value) = attribute.split_once('=')?;
        let name = match key {
            "r" => "nonce",
            "s" => "salt",
            "i" => "iterations",
            "c" => "channel binding",
            "p" => "proof",
            "v" => "server's signature",
            "e" => "error",
            _ => "extension",
        };
        parts.push(part(name, value));
    }
    Some((kind, parts))
}

fn cram_answer(text: &str) -> Option<(&'static str, Vec<SaslField>)> {
    let (user, digest) = text.rsplit_once(' ')?;
    let is_digest = digest.len() == 32 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest.then(|| ("CRAM-MD5", vec![part("user", user), part("digest", digest)]))
}

fn prompt(text: &str) -> Option<(&'static str, Vec<SaslField>)> {
    let lower = text.trim_end_matches(['\0', ':', ' ']).to_ascii_lowercase();
    if ["username", "user name", "user", "password"].contains(&lower.as_str()) {
        return Some(("a prompt of LOGIN", vec![part("text", text)]));
    }
    if text.starts_with('{') && text.ends_with('}') {
        return Some(("an error of OAUTHBEARER or XOAUTH2", vec![part("json", text)]));
    }
    let is_challenge = text.starts_with('<') && text.ends_with('>') && text.contains('@');
    is_challenge.then(|| ("a challenge of CRAM-MD5", vec![part("text", text)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_told_in_words() {
        let table: &[(&str, &str, &str)] = &[
            ("\0tim\0secret", "PLAIN", "authzid=|user=tim|password=secret"),
            ("z\0tim\0secret", "PLAIN", "authzid=z|user=tim|password=secret"),
            ("tim b913a602c7eda7a495b4e6e7334d3890", "CRAM-MD5", "user=tim|digest=b913a602c7eda7a495b4e6e7334d3890"),
            ("user=u@x\x01auth=Bearer t\x01\x01", "XOAUTH2", "user=u@x|token=t"),
            (
                "n,a=u@x,\x01host=h\x01port=143\x01auth=Bearer t\x01\x01",
                "OAUTHBEARER",
                "authzid=u@x|host=h|port=143|token=t",
            ),
            ("n,,n=a=2Cb,r=xyz", "SCRAM, the client's first message", "user=a,b|nonce=xyz"),
            (
                "p=tls-server-end-point,,n=u,r=x",
                "SCRAM, the client's first message",
                "channel binding=tls-server-end-point|user=u|nonce=x",
            ),
            ("r=x,s=c2FsdA==,i=4096", "SCRAM, the server's first message", "nonce=x|salt=c2FsdA==|iterations=4096"),
            (
                "c=biws,r=x,p=cHJvb2Y=",
                "SCRAM, the client's last message",
                "channel binding=biws|nonce=x|proof=cHJvb2Y=",
            ),
            ("v=c2ln", "SCRAM, the server's last message", "server's signature=c2ln"),
            ("e=invalid-proof", "SCRAM, the server's last message", "error=invalid-proof"),
            ("Username:", "a prompt of LOGIN", "text=Username:"),
            ("{\"status\":\"401\"}", "an error of OAUTHBEARER or XOAUTH2", "json={\"status\":\"401\"}"),
            ("<1.2@h>", "a challenge of CRAM-MD5", "text=<1.2@h>"),
            ("tim", "text", "text=tim"),
            ("", "text", "text="),
        ];
        for (message, kind, parts) in table {
            let (found, list) = describe(message.as_bytes());
            let list: Vec<String> =
                list.iter().map(|p| format!("{}={}", p.name, String::from_utf8_lossy(&p.value))).collect();
            assert_eq!((found, list.join("|").as_str()), (*kind, *parts));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_described(message in prop_oneof![any::<Vec<u8>>(), "[npycrv]=?,?[a-z=,\\x01]{0,20}".prop_map(String::into_bytes)]) {
            let _ = describe(&message);
        }
    }
}
