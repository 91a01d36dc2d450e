//! See `towline_fuzz::host_list`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::host_list::check(data));
