//! The media type of an attachment, by its file name.
//!
//! A small table instead of a library with a thousand types: a file keeps its type with every version of the program,
//! and a mail client only offers files of a rare type for saving anyway.

/// The type of unknown names (RFC 2046 §4.5.1).
pub const UNKNOWN: &str = "application/octet-stream";

const TYPES: [(&str, &str); 66] = [
    ("7z", "application/x-7z-compressed"),
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("eml", "message/rfc822"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("heic", "image/heic"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("log", "text/plain"),
    ("m4a", "audio/mp4"),
    ("md", "text/markdown"),
    ("mkv", "video/matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odg", "application/vnd.oasis.opendocument.graphics"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("p7s", "application/pkcs7-signature"),
    ("pdf", "application/pdf"),
    ("pgp", "application/pgp-encrypted"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("ps", "application/postscript"),
    ("rar", "application/vnd.rar"),
    ("rtf", "application/rtf"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tgz", "application/gzip"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("tsv", "text/tab-separated-values"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("woff2", "font/woff2"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("zip", "application/zip"),
];

/// The type of a file by its extension.
pub fn from_file_name(name: &str) -> &'static str {
    let Some((_, ending)) = name.rsplit_once('.') else { return UNKNOWN };
    TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map_or(UNKNOWN, |(_, media_type)| media_type)
}

/// Checks a media type; the error says why it is invalid.
///
/// ```abnf
/// content = type "/" subtype *(";" parameter) ; RFC 2045 §5.1
/// ```
pub fn check(written: &str) -> Result<(), &'static str> {
    let essence = written.split(';').next().unwrap_or_default().trim();
    let is_token = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b))
    };
    let whole = essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    if !whole || !written.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Err("a media type has the form type/subtype, such as text/csv");
    }
    if is_kind(written, "multipart") {
        return Err("an attachment is a single part and cannot be multipart/…");
    }
    Ok(())
}

/// Whether the type is `kind/…`.
pub fn is_kind(media_type: &str, kind: &str) -> bool {
    media_type.split('/').next().is_some_and(|own| own.trim().eq_ignore_ascii_case(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_types() {
        let table = [
            ("report.pdf", "application/pdf", "the usual"),
            ("REPORT.PDF", "application/pdf", "letters of any size"),
            ("a.tar.gz", "application/gzip", "the last ending counts"),
            ("data.csv", "text/csv", "RFC 4180"),
            ("README", UNKNOWN, "no ending"),
            ("x.unheard-of", UNKNOWN, "an ending that nobody knows"),
            (".pdf", "application/pdf", "a hidden file"),
        ];
        for (name, media_type, why) in table {
            assert_eq!(from_file_name(name), media_type, "{why}");
        }
        assert!(TYPES.iter().all(|(ending, media_type)| check(media_type).is_ok() && !ending.contains('.')));
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for (written, valid, why) in [
            ("text/csv", true, "the usual"),
            ("text/csv; charset=utf-8", true, "a parameter"),
            ("csv", false, "no slash"),
            ("text/", false, "no subtype"),
            ("te xt/csv", false, "a space"),
            ("text/csv\r\nX: y", false, "a line break"),
            ("Multipart/Mixed", false, "parts"),
        ] {
            assert_eq!(check(written).is_ok(), valid, "{why}");
        }
    }
}
