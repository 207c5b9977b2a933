;; Logs what would clear a terminal, forge a line and end a string.
(data (i32.const 700) "one\1b[2J\0d\0anebula: all is well\00two")
(func $attack (result i32)
    (call $log (i32.const 2) (i32.const 700) (i32.const 32))
    (call $number (i64.const 0)))
