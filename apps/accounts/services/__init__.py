"""Writes of accounts: codes, log-in, sessions, people, staff, addresses, and erasure."""

from apps.accounts.services.addresses import (
    AddressFields,
    add_address,
    change_address,
    check_address,
)
from apps.accounts.services.cleanup import (
    end_and_delete_expired,
)
from apps.accounts.services.contact_details import (
    record_contact_details_view,
)
from apps.accounts.services.erasure import (
    StaffNotErasable,
    erase_user,
    lock_user_to_erase,
)
from apps.accounts.services.log_in import (
    ANONYMOUS,
    log_in_with_code,
    log_in_with_password,
)
from apps.accounts.services.otp import (
    request_email_code,
    request_log_in_code,
    send_code,
)
from apps.accounts.services.profiles import (
    change_name,
    confirm_email,
)
from apps.accounts.services.reference_data import (
    set_up_reference_data,
)
from apps.accounts.services.sessions import (
    Device,
    log_out_everywhere,
    refresh_session,
)
from apps.accounts.services.staff import (
    create_staff,
    deactivate_user,
    reactivate_user,
    set_password,
    set_roles,
)

__all__ = [
    "ANONYMOUS",
    "AddressFields",
    "Device",
    "StaffNotErasable",
    "add_address",
    "change_address",
    "change_name",
    "check_address",
    "confirm_email",
    "create_staff",
    "deactivate_user",
    "end_and_delete_expired",
    "erase_user",
    "lock_user_to_erase",
    "log_in_with_code",
    "log_in_with_password",
    "log_out_everywhere",
    "reactivate_user",
    "record_contact_details_view",
    "refresh_session",
    "request_email_code",
    "request_log_in_code",
    "send_code",
    "set_password",
    "set_roles",
    "set_up_reference_data",
]
