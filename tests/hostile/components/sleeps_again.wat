;; Asking for a credential makes the call effectful: its clock is the machine's.
(func (export "never") (call $credential (i32.const 0) (i32.const 0) (i32.const 0)))
;; Sleeps for nothing, for ever.
(func $attack (result i32)
    (local $timer i32)
    (loop $again
        (local.set $timer (call $timer (i64.const 1)))
        (call $block (local.get $timer))
        (call $drop_poll (local.get $timer))
        (br $again))
    unreachable)
