//! See `towline_fuzz::clock`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::clock::check(data));
