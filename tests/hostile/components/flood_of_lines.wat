;; Logs for ever.
(func $attack (result i32)
    (loop $again (call $log (i32.const 2) (i32.const 541) (i32.const 5)) (br $again))
    unreachable)
