//! The first flight of a TLS server: no bytes make the parser panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailrun::net::server_hello::FirstFlight;

fuzz_target!(|bytes: &[u8]| {
    let flight = FirstFlight::parse(bytes);
    let _ = (flight.version_name(), flight.cipher_name());
});
