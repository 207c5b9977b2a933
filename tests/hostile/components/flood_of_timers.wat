;; Makes a timer and drops it, for ever.
(func $attack (result i32)
    (loop $again (call $drop_poll (call $timer (i64.const 1000000000000))) (br $again))
    unreachable)
