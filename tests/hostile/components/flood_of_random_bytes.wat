;; Asks for one random byte after the other, into the same place.
(func $attack (result i32)
    (loop $again
        (global.set $heap (i32.const 32768))
        (call $random_bytes (i64.const 1) (i32.const 3072))
        (br $again))
    unreachable)
