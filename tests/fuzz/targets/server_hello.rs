//! A TLS server's first flight: no bytes make its reader panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailrun::net::server_hello::FirstFlight;

fuzz_target!(|bytes: &[u8]| {
    let flight = FirstFlight::parse(bytes);
    let _ = (flight.version_name(), flight.cipher_name());
});
