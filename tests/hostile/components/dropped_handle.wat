;; Waits for a timer that it dropped.
(func $attack (result i32)
    (local $timer i32)
    (local.set $timer (call $timer (i64.const 0)))
    (call $drop_poll (local.get $timer))
    (call $block (local.get $timer))
    unreachable)
