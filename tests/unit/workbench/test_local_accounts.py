from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from intent.database import open_database
from intent.errors import StoreError, WorkbenchError
from intent.workbench.accounts import Accounts
from intent.workbench.attempts import Attempts, Limits
from intent.workbench.local_accounts import AccountBook, LocalAccounts, Refusal
from intent.workbench.passwords import Passwords, refuse_weak
from intent.workbench.records import Account, Role
from tests.doubles.account_book import MemoryAccountBook
from tests.doubles.console import CHEAP, PASSWORD, Hand

OTHER = "another walk, up the hill"


@pytest.fixture(params=["memory", "sqlite"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> AccountBook:
    return MemoryAccountBook() if request.param == "memory" else Accounts(open_database(f"sqlite:///{tmp_path / 'state.db'}"))


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def accounts(book: AccountBook, clock: Hand) -> LocalAccounts:
    made = LocalAccounts(book, Passwords(CHEAP), clock)
    made.create("ada", Role.ADMIN, PASSWORD, "cli:root")
    made.create("ann", Role.ANALYST, PASSWORD, "ada")
    return made


def test_the_right_password_gives_the_account_and_no_other_does(accounts: LocalAccounts) -> None:
    found = accounts.sign_in(" Ann ", PASSWORD, "192.0.2.1")
    assert isinstance(found, Account)
    assert (found.name, found.role) == ("ann", Role.ANALYST)
    for name, password in (
        ("ann", PASSWORD + "."),
        ("ann", ""),
        ("bob", PASSWORD),
        ("", PASSWORD),
        ("ann\x00", PASSWORD),
        ("ann", "x" * 9999),
    ):
        assert accounts.sign_in(name, password, "192.0.2.2") is Refusal.WRONG


def test_a_password_is_the_same_however_a_keyboard_composes_it(accounts: LocalAccounts) -> None:
    accounts.set_password("ann", "caf\u00e9 au lait au lait", "ann")
    assert isinstance(accounts.sign_in("ann", "cafe\u0301 au lait au lait", "a"), Account)


def test_hashes_are_argon2id_and_never_shown(accounts: LocalAccounts, book: AccountBook) -> None:
    kept = book.account_versions("ann")[-1]
    assert kept.hash.startswith("$argon2id$v=19$")
    assert PASSWORD not in kept.model_dump_json()
    assert book.account_versions("ada")[-1].hash != kept.hash
    assert Passwords().hash(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    del accounts


def test_every_change_is_a_further_version(accounts: LocalAccounts, book: AccountBook) -> None:
    accounts.set_role("ann", Role.APPROVER, "ada")
    accounts.set_password("ann", OTHER, "ann")
    accounts.disable("ann", "ada")
    versions = book.account_versions("ann")
    assert [(version.role, version.disabled, version.by) for version in versions] == [
        (Role.ANALYST, False, "ada"),
        (Role.APPROVER, False, "ada"),
        (Role.APPROVER, False, "ann"),
        (Role.APPROVER, True, "ada"),
    ]
    assert [version.id for version in versions] == sorted({version.id for version in versions})
    assert accounts.sign_in("ann", OTHER, "a") is Refusal.WRONG
    assert book.account_names() == ("ada", "ann")


def test_a_name_is_given_once_and_a_closed_account_stays_closed(accounts: LocalAccounts) -> None:
    accounts.disable("ann", "ada")
    for act in (
        lambda: accounts.create("ann", Role.ADMIN, PASSWORD, "ada"),
        lambda: accounts.set_role("ann", Role.ADMIN, "ada"),
        lambda: accounts.set_password("ann", OTHER, "ada"),
        lambda: accounts.disable("ann", "ada"),
        lambda: accounts.disable("nobody", "ada"),
    ):
        with pytest.raises(WorkbenchError):
            act()


@pytest.mark.parametrize("name", ["", "Ann", "a b", "openid:1", "<script>", "ann\n", "a" * 129, "änn"])
def test_malformed_names_are_refused(accounts: LocalAccounts, name: str) -> None:
    with pytest.raises(WorkbenchError, match="a name must be"):
        accounts.create(name, Role.VIEWER, PASSWORD, "ada")


def test_the_last_administrator_stays(accounts: LocalAccounts) -> None:
    with pytest.raises(WorkbenchError, match="last administrator"):
        accounts.disable("ada", "ada")
    with pytest.raises(WorkbenchError, match="last administrator"):
        accounts.set_role("ada", Role.VIEWER, "ada")
    accounts.set_role("ann", Role.ADMIN, "ada")
    assert accounts.set_role("ada", Role.VIEWER, "ann").role is Role.VIEWER


def test_of_two_changes_of_one_version_the_second_is_refused(accounts: LocalAccounts, book: AccountBook) -> None:
    held = book.account_versions("ann")[-1]
    book.add_account(held.model_copy(update={"role": Role.VIEWER}), held.id)
    with pytest.raises(WorkbenchError, match="meanwhile"):
        book.add_account(held.model_copy(update={"role": Role.ADMIN}), held.id)
    current = accounts.current("ann")
    assert current is not None
    assert current.role is Role.VIEWER


def test_a_hash_of_older_parameters_is_made_anew_at_sign_in(accounts: LocalAccounts, book: AccountBook, clock: Hand) -> None:
    newer = LocalAccounts(book, Passwords(PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)), clock)
    found = newer.sign_in("ann", PASSWORD, "a")
    assert isinstance(found, Account)
    assert found.hash.startswith("$argon2id$v=19$m=64,t=2,p=1$")
    assert found == newer.sign_in("ann", PASSWORD, "a") == accounts.current("ann")
    assert len(book.account_versions("ann")) == 2


def test_an_unknown_name_costs_as_much_as_a_known_one(book: AccountBook, clock: Hand) -> None:
    slow = LocalAccounts(book, Passwords(PasswordHasher(time_cost=3, memory_cost=8192, parallelism=1)), clock)
    slow.create("ann", Role.VIEWER, PASSWORD, "test")
    slow.sign_in("nobody", OTHER, "warm")

    def cpu_s(name: str) -> float:
        began = time.process_time()
        for place in range(4):
            assert slow.sign_in(name, OTHER, f"192.0.2.{place}") is Refusal.WRONG
        return time.process_time() - began

    known, unknown = cpu_s("ann"), cpu_s("bob")
    assert 0.4 < unknown / known < 2.5


def test_a_fault_of_the_book_lets_nobody_in(clock: Hand, tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    accounts = LocalAccounts(Accounts(engine), Passwords(CHEAP), clock)
    accounts.create("ann", Role.VIEWER, PASSWORD, "test")
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE workbench_account RENAME TO gone")
    with pytest.raises(StoreError):
        accounts.sign_in("ann", PASSWORD, "a")


@pytest.mark.parametrize(
    "password",
    ["", "short", "elevenchars", "x" * 257, "aaaaaaaaaaaaaaaa", "abababababab", "PasswordPassword", "anneliese1234", "ANNELIESE-2026!"],
)
def test_weak_passwords_are_refused_without_a_word_of_them(password: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        refuse_weak(password, "anneliese")
    assert len(password) < 5 or password not in str(refused.value)


@pytest.mark.parametrize("password", [PASSWORD, "nine green boats", "x9!kQp2#Lm7z", "двенадцать слонов"])
def test_long_passwords_of_any_kind_are_taken(password: str) -> None:
    refuse_weak(password, "anneliese")


def test_after_five_failures_an_account_is_closed_to_an_address_for_a_while(accounts: LocalAccounts, clock: Hand) -> None:
    for _ in range(5):
        assert accounts.sign_in("ann", "wrong", "192.0.2.1") is Refusal.WRONG
    assert accounts.sign_in("ann", PASSWORD, "192.0.2.1") is Refusal.TOO_MANY
    assert isinstance(accounts.sign_in("ann", PASSWORD, "192.0.2.9"), Account)
    clock.pass_s(900)
    assert isinstance(accounts.sign_in("ann", PASSWORD, "192.0.2.1"), Account)


def test_a_success_takes_back_no_failure_of_others(clock: Hand) -> None:
    attempts = Attempts(clock, Limits(pair=2, account=3))
    assert attempts.begin("ann", "192.0.2.1")
    assert attempts.begin("ann", "192.0.2.2")
    assert attempts.begin("ann", "192.0.2.7")
    attempts.succeeded("ann", "192.0.2.7")
    assert attempts.begin("ann", "192.0.2.1")
    assert not attempts.begin("ann", "192.0.2.3")


def test_an_address_is_closed_whatever_names_it_tries(clock: Hand) -> None:
    attempts = Attempts(clock, Limits(address=10))
    assert sum(attempts.begin(f"name{place}", f"2001:db8::{place:x}") for place in range(50)) == 10
    assert attempts.begin("name1", "2001:db8:1::1")


def test_counts_take_bounded_memory(clock: Hand) -> None:
    attempts = Attempts(clock, Limits(most_keys=300))
    for place in range(2000):
        attempts.begin(f"name{place}", f"10.0.{place // 250}.{place % 250}")
    assert len(attempts) == 300


def test_many_guesses_at_once_do_not_pass_the_limit(clock: Hand) -> None:
    attempts, let = Attempts(clock, Limits(pair=5)), []
    barrier = threading.Barrier(16)

    def guess() -> None:
        barrier.wait()
        let.append(attempts.begin("ann", "192.0.2.1"))

    threads = [threading.Thread(target=guess) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(let) == 5
