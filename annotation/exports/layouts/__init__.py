"""The registry of export layouts: one line each."""

from annotation.common.errors import DomainError
from annotation.exports.layouts.agreement import Agreement
from annotation.exports.layouts.aspects import Aspects
from annotation.exports.layouts.base import Layout
from annotation.exports.layouts.community_alignment import CommunityAlignment
from annotation.exports.layouts.context_preference import ContextPreference
from annotation.exports.layouts.helpsteer2 import HelpSteer2
from annotation.exports.layouts.helpsteer2_preference import HelpSteer2Preference
from annotation.exports.layouts.joint_preference import JointPreference
from annotation.exports.layouts.linked import LinkedTables
from annotation.exports.layouts.listwise import Listwise
from annotation.exports.layouts.multipref import MultiPref
from annotation.exports.layouts.preference import Preference
from annotation.exports.layouts.prism import Prism
from annotation.exports.layouts.rationales import Rationales
from annotation.exports.layouts.raw_votes import RawVotes
from annotation.exports.layouts.soft_preference import SoftPreference
from annotation.exports.layouts.ultrafeedback import UltraFeedback
from annotation.exports.layouts.unpaired_preference import UnpairedPreference

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Prism(),
        LinkedTables(),
        Preference(),
        UnpairedPreference(),
        Listwise(),
        SoftPreference(),
        Aspects(),
        JointPreference(),
        ContextPreference(),
        Rationales(),
        RawVotes(),
        Agreement(),
        MultiPref(),
        HelpSteer2(),
        HelpSteer2Preference(),
        UltraFeedback(),
        CommunityAlignment(),
    )
}


def layout_named(name: str) -> Layout:
    if name not in LAYOUTS:
        raise DomainError(f"There is no layout {name}; there are {', '.join(LAYOUTS)}.", field="layout")
    return LAYOUTS[name]
